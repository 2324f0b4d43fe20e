package bitrix24

import (
	"fmt"
	"slices"
	"strings"
)

// What [Options.Scopes] may hold, beside the codes of single directories
// (https://apidocs.bitrix24.com/api-reference/crm/status/index.html).
const (
	// Leads is the list of the leads' statuses. A portal without leads has
	// none, and asking for it there is an error.
	Leads = "STATUS"
	// Deals are the stages of all pipelines of deals, one list each.
	Deals = "DEAL_STAGE*"
	// Everything is every list of stages: of leads (where there are any), deals,
	// quotes, invoices and smart processes. Directories that are no stages, such
	// as the sources of leads, are not among them.
	Everything = "*"
)

// mainPipeline is the directory of the deals' main pipeline, and what those of
// the others begin with.
const mainPipeline = "DEAL_STAGE"

// choice is what [Options.Scopes] says.
type choice []string

// newChoice checks the scopes asked for.
func newChoice(scopes []string) (choice, error) {
	if len(scopes) == 0 {
		return choice{Leads}, nil
	}
	for _, scope := range scopes {
		code := strings.TrimSuffix(scope, "*")
		switch {
		case scope == "" || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "":
			return nil, fmt.Errorf("%q is no directory's code; expected one such as %q or %q, or Leads, Deals, Everything", scope, Leads, "DEAL_STAGE_5")
		case scope == mainPipeline+"_0":
			return nil, fmt.Errorf("the directory of the main pipeline is called %q, not %q", mainPipeline, scope)
		}
	}
	return slices.Clone(scopes), nil
}

// holds reports whether the directory is chosen.
func (c choice) holds(directory string) bool {
	return slices.ContainsFunc(c, func(scope string) bool {
		start, open := strings.CutSuffix(scope, "*")
		return directory == scope || (open && strings.HasPrefix(directory, start))
	})
}

// mayHoldDeals reports whether a pipeline of deals can be among the chosen.
func (c choice) mayHoldDeals() bool {
	return slices.ContainsFunc(c, func(scope string) bool {
		start, open := strings.CutSuffix(scope, "*")
		return strings.HasPrefix(start, mainPipeline) || (open && strings.HasPrefix(mainPipeline, start))
	})
}

// single returns the directory if exactly one is chosen by its code.
func (c choice) single() (string, bool) {
	if len(c) == 1 && !strings.HasSuffix(c[0], "*") {
		return c[0], true
	}
	return "", false
}
