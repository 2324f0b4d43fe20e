package bitrix24test

import "slices"

// WrongStage is what the portal does with a stage that does not exist in the
// item's pipeline, where a request does not ask for another pipeline. Which of
// them Bitrix24 does today is not known.
type WrongStage int

const (
	// StageKept says yes and keeps the old stage, as the newest known source does.
	StageKept WrongStage = iota
	// StageRefused answers with CRM_FIELD_ERROR_VALUE_NOT_VALID, as somewhat older
	// source does, and the documentation allows. That the old methods do so too is
	// assumed.
	StageRefused
	// StageStored stores any text where one of the old methods changes a lead or a
	// deal, as source of 2018 does. crm.item.update keeps the old stage then.
	StageStored
)

// SetWrongStage chooses what happens with a wrong stage. At the start it is
// [StageKept].
func (p *Portal) SetWrongStage(does WrongStage) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wrongStage = does
}

// Automate makes an automation rule that moves every item on to another stage of
// the directory when it comes to the stage from, in the same call: its answer
// shows the stage after the last rule. Each move has its row in the history and
// its event, and is made by user 0, which is assumed. Of rules that lead in a
// circle ten moves are made. An empty to removes the rule.
func (p *Portal) Automate(scope, from, to string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules[stageOf{scope, from}] = to
}

// ForbidStage makes requests that put an item into the stage fail with the error,
// mostly [StageForbidden] or [FieldRequired], until [Portal.AllowStage]. Nothing
// of such a request is saved. A move from another pipeline is let through for
// [FieldRequired], whose code is known to do so.
func (p *Portal) ForbidStage(scope, id string, e APIError) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.forbidden[stageOf{scope, id}] = e
}

// AllowStage takes back what [Portal.ForbidStage] did.
func (p *Portal) AllowStage(scope, id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.forbidden, stageOf{scope, id})
}

// stageOf names a stage.
type stageOf struct{ scope, id string }

// semantics returns the outcome of the item's stage: "P", "S" or "F". It runs
// under mu.
func (p *Portal) semantics(item *Item) string {
	scope := scopeOf(item.TypeID, item.Category)
	for i := range p.statuses {
		if s := &p.statuses[i]; s.ID == item.Stage && s.Scope == scope {
			return s.outcome()
		}
	}
	return "P"
}

// outcome returns the Semantics with "P" for a stage in progress.
func (s *Status) outcome() string {
	if s.Semantics == "" {
		return "P"
	}
	return s.Semantics
}

// firstStage returns the first stage of a directory with that outcome, or "" for
// none; an empty outcome is any. It runs under mu.
func (p *Portal) firstStage(scope, outcome string) string {
	var stages []Status
	for _, s := range p.statuses {
		if s.Scope == scope && (outcome == "" || s.outcome() == outcome) {
			stages = append(stages, s)
		}
	}
	if len(stages) == 0 {
		return ""
	}
	return slices.MinFunc(stages, bySort).ID
}

// wish is what a request wants of an item. What is nil stays.
type wish struct {
	category *int
	stage    *string
	title    *string
}

// apply fulfils a wish for the webhook's owner, by the rules of crm.item.update,
// or those of the old methods. It runs under mu.
func (p *Portal) apply(item *Item, w wish, old bool) *APIError {
	next := *item
	if w.title != nil {
		next.Title = *w.title
	}
	if w.category != nil {
		if !p.hasPipeline(item.TypeID, *w.category) {
			failed := FieldInvalid("Pipeline")
			return &failed
		}
		next.Category = *w.category
	}
	scope := scopeOf(next.TypeID, next.Category)
	exists := false
	if w.stage != nil {
		_, err := p.find(scope, *w.stage)
		exists = err == nil
	}
	switch {
	case exists:
		next.Stage = *w.stage
	case next.Category != item.Category:
		if stage := p.firstStage(scope, p.semantics(item)); stage != "" {
			next.Stage = stage
		} else {
			next.Stage = p.firstStage(scope, "")
		}
	case w.stage == nil:
	case p.wrongStage == StageRefused:
		failed := FieldInvalid("Stage")
		return &failed
	case p.wrongStage == StageStored && old:
		next.Stage = *w.stage
	}
	if next.Stage != item.Stage || next.Category != item.Category {
		e, found := p.forbidden[stageOf{scope, next.Stage}]
		if found && (next.Category == item.Category || e.Code != codeRequired) {
			return &e
		}
	}
	if p.save(item, next, DefaultUserID) {
		p.automate(item)
	}
	return nil
}

// hasPipeline reports whether a type has that pipeline. It runs under mu.
func (p *Portal) hasPipeline(typeID, id int) bool {
	return slices.ContainsFunc(p.pipelines, func(pipeline Pipeline) bool {
		return pipeline.TypeID == typeID && pipeline.ID == id
	})
}

// automate moves an item on by the rules. It runs under mu.
func (p *Portal) automate(item *Item) {
	for range 10 {
		to := p.rules[stageOf{scopeOf(item.TypeID, item.Category), item.Stage}]
		if to == "" {
			return
		}
		next := *item
		next.Stage = to
		p.save(item, next, 0)
	}
}
