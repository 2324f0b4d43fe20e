package bitrix24test

import (
	"fmt"
	"slices"
	"strconv"
)

const (
	typeLead    = 1
	typeDeal    = 2
	typeQuote   = 7
	typeInvoice = 31
	// firstSmart is the least entityTypeId of a smart process.
	firstSmart = 128
)

// Pipeline is a pipeline of deals, invoices or a smart process. Its number is
// its own in the whole portal here; Bitrix24 may use one for several types.
type Pipeline struct {
	// TypeID is the entityTypeId: 2 for deals, 31 for invoices, from 128 on for
	// smart processes.
	TypeID int
	// ID is the number; the main pipeline of deals has 0.
	ID      int
	Name    string
	Sort    int
	Default bool
	// Hidden is set where the webhook's owner may not see the pipeline; see
	// [Portal.HidePipeline].
	Hidden bool
}

// Scope returns the code of the directory with the pipeline's stages, such as
// "DEAL_STAGE_5".
func (p Pipeline) Scope() string {
	id := strconv.Itoa(p.ID)
	switch {
	case p.TypeID == typeDeal && p.ID == 0:
		return "DEAL_STAGE"
	case p.TypeID == typeDeal:
		return "DEAL_STAGE_" + id
	case p.TypeID == typeInvoice:
		return "SMART_INVOICE_STAGE_" + id
	}
	return "DYNAMIC_" + strconv.Itoa(p.TypeID) + "_STAGE_" + id
}

// smartProcess is a type of objects that people made.
type smartProcess struct {
	typeID int
	title  string
}

// DefaultPipelines returns the pipelines of a new portal: three of deals, of
// which the main one is not the first by Sort, one of invoices, and two of the
// smart process 177.
func DefaultPipelines() []Pipeline {
	return []Pipeline{
		{TypeID: typeDeal, ID: 0, Name: "Общая", Sort: 300, Default: true},
		{TypeID: typeDeal, ID: 2, Name: "Замеры", Sort: 400},
		{TypeID: typeDeal, ID: 5, Name: "Subscriptions", Sort: 200},
		{TypeID: typeInvoice, ID: 3, Name: "Общее", Sort: 500, Default: true},
		{TypeID: 177, ID: 7, Name: "Общее", Sort: 500, Default: true},
		{TypeID: 177, ID: 9, Name: "Склад 2", Sort: 600},
	}
}

// Pipelines returns a copy of the pipelines, in the sequence in which they were
// made.
func (p *Portal) Pipelines() []Pipeline {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.pipelines)
}

// AddPipeline adds a pipeline of deals, the last by Sort, with the eight stages
// that a new one has, and returns it.
func (p *Portal) AddPipeline(name string) Pipeline {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.addPipeline(typeDeal, name)
}

// AddSmartProcess adds a smart process with one pipeline, which has the five
// stages of a new one, and returns that. Its TypeID is the process's.
func (p *Portal) AddSmartProcess(title string) Pipeline {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lastType++
	p.processes = append(p.processes, smartProcess{p.lastType, title})
	return p.addPipeline(p.lastType, "Общее")
}

// AddSmartPipeline adds a pipeline to a smart process, as [Portal.AddPipeline]
// does for deals. The error says that there is no such process.
func (p *Portal) AddSmartPipeline(typeID int, name string) (Pipeline, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.knowsProcess(typeID) {
		return Pipeline{}, fmt.Errorf("bitrix24test: no smart process %d", typeID)
	}
	return p.addPipeline(typeID, name), nil
}

// RenamePipeline changes a pipeline's name, and so that of its directory. The
// error says that there is no such pipeline.
func (p *Portal) RenamePipeline(id int, name string) error {
	return p.changePipeline(id, func(pipeline *Pipeline) { pipeline.Name = name })
}

// HidePipeline takes the right to see the pipeline from the webhook's owner, or
// gives it back: crm.category.list leaves it out, while crm.status.* shows its
// directory and stages as ever. The error says that there is no such pipeline.
func (p *Portal) HidePipeline(id int, hidden bool) error {
	return p.changePipeline(id, func(pipeline *Pipeline) { pipeline.Hidden = hidden })
}

// DeletePipeline removes a pipeline with its directory and stages. The error
// says that there is no such pipeline, or that it is the default one of its type,
// which Bitrix24 does not delete either. Items stay where they were; Bitrix24 does
// not delete a pipeline that has any.
func (p *Portal) DeletePipeline(id int) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, err := p.findPipeline(id)
	if err != nil {
		return err
	}
	if p.pipelines[i].Default {
		return fmt.Errorf("bitrix24test: pipeline %d is the default one", id)
	}
	p.removePipeline(i)
	return nil
}

// removePipeline takes a pipeline out, with its stages. It runs under mu.
func (p *Portal) removePipeline(i int) {
	scope := p.pipelines[i].Scope()
	p.statuses = slices.DeleteFunc(p.statuses, func(s Status) bool { return s.Scope == scope })
	p.pipelines = slices.Delete(p.pipelines, i, i+1)
}

// addPipeline adds a pipeline and its stages. It runs under mu.
func (p *Portal) addPipeline(typeID int, name string) Pipeline {
	p.lastPipeline++
	pipeline := Pipeline{TypeID: typeID, ID: p.lastPipeline, Name: name, Sort: 500, Default: true}
	for _, other := range p.pipelines {
		if other.TypeID == typeID {
			pipeline.Default = false
			pipeline.Sort = max(pipeline.Sort, other.Sort+100)
		}
	}
	p.pipelines = append(p.pipelines, pipeline)
	for _, s := range newStages(pipeline) {
		s.RowID = p.newRow()
		p.statuses = append(p.statuses, s)
	}
	return pipeline
}

func (p *Portal) changePipeline(id int, edit func(*Pipeline)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i, err := p.findPipeline(id)
	if err != nil {
		return err
	}
	edit(&p.pipelines[i])
	return nil
}

// findPipeline returns the index of a pipeline. It runs under mu.
func (p *Portal) findPipeline(id int) (int, error) {
	i := slices.IndexFunc(p.pipelines, func(pipeline Pipeline) bool { return pipeline.ID == id })
	if i < 0 {
		return 0, fmt.Errorf("bitrix24test: no pipeline %d", id)
	}
	return i, nil
}

// knowsProcess reports whether there is such a smart process. It runs under mu.
func (p *Portal) knowsProcess(typeID int) bool {
	return slices.ContainsFunc(p.processes, func(s smartProcess) bool { return s.typeID == typeID })
}
