package bitrix24

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// dealPipeline reports whether the directory has the stages of a pipeline of
// deals.
func (d *wireDirectory) dealPipeline() bool {
	return string(d.ID) == mainPipeline || strings.HasPrefix(string(d.ID), mainPipeline+"_")
}

// pipeline is a pipeline of deals as people see it.
type pipeline struct {
	name  string
	place int
}

// pipelines are the pipelines of deals that the webhook's owner may see, by ID.
type pipelines map[string]pipeline

// pipelinesOf returns the pipelines in the portal's sequence.
func pipelinesOf(categories wireCategories) pipelines {
	list := slices.Clone(categories.Categories)
	slices.SortStableFunc(list, func(a, b wireCategory) int { return cmp.Compare(a.Sort.Value, b.Sort.Value) })
	all := make(pipelines, len(list))
	for i, category := range list {
		all[string(category.ID)] = pipeline{crm.CleanName(string(category.Name)), i + 1}
	}
	return all
}

// of returns the pipeline of a directory; false if it is none of deals, or one
// that cannot be seen.
func (p pipelines) of(d *wireDirectory) (pipeline, bool) {
	if !d.dealPipeline() {
		return pipeline{}, false
	}
	id := "0" // the main pipeline's, whose directory does not have it
	if string(d.ID) != mainPipeline {
		id = strings.TrimPrefix(string(d.ID), mainPipeline+"_")
	}
	found, ok := p[id]
	return found, ok
}

// name returns what people call the list: a pipeline's own name, as that of its
// directory has words before it; where it cannot be seen, that.
func (p pipelines) name(d *wireDirectory) string {
	if found, ok := p.of(d); ok && found.name != "" {
		return found.name
	}
	return crm.CleanName(string(d.Name))
}

// place returns where the list stands among all: the leads' first, then the
// pipelines of deals.
func (p pipelines) place(d *wireDirectory) int {
	if d.ID == Leads {
		return 0
	}
	if found, ok := p.of(d); ok {
		return found.place
	}
	if d.dealPipeline() {
		return math.MaxInt - 1
	}
	return math.MaxInt
}
