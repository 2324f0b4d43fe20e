package statuslink

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"

	"github.com/statuslink/statuslink/crm"
)

// computeDigest hashes what the plan does: policy, operations without names of
// statuses and reasons, what the links that they touch hold as Base afterwards,
// held and refused parts, and what is reported once.
func (p *Plan) computeDigest() string {
	hash := sha256.New()
	encoder := json.NewEncoder(hash)
	add := func(part any) {
		if err := encoder.Encode(part); err != nil {
			panic("statuslink: a plan cannot be encoded: " + err.Error()) // only texts and numbers
		}
	}
	anonymous := func(refs []StatusRef) []StatusRef {
		refs = slices.Clone(refs)
		for i := range refs {
			refs[i].Name = ""
		}
		return refs
	}
	bases, leaders := p.bases()
	add(p.policy)
	for _, op := range p.operations {
		op.Status.Name, op.Follows.Name, op.Reason = "", "", ""
		op.Before, op.After = anonymous(op.Before), anonymous(op.After)
		add(op)
		if base, linked := bases[op.Ref]; linked {
			add(base)
		}
		for _, status := range op.After {
			add(leaders[status.ID])
		}
	}
	for _, f := range p.findings {
		switch f.Kind {
		case FindingHeld, FindingFailed, FindingOtherAccount:
			add(Finding{Kind: f.Kind, Scope: f.Scope})
		case FindingConflict, FindingDiffers: // mostly reported once: whoever confirms has seen them
			add(Finding{Kind: f.Kind, Scope: f.Scope, Ref: f.Ref, Field: f.Field, Bot: f.Bot, CRM: f.CRM})
		}
	}
	return hex.EncodeToString(hash.Sum(nil)[:16])
}

// bases returns what the links of changed statuses hold as Base afterwards: all
// by Ref, and those that lead by the status's ID.
func (p *Plan) bases() (bases map[crm.Ref]Base, leaders map[string]Base) {
	bases = make(map[crm.Ref]Base, len(p.updates)+len(p.creates))
	leaders = make(map[string]Base)
	keep := func(s *Status) {
		for _, link := range s.Links {
			bases[link.Ref] = link.Base
		}
		if leader, ok := s.Leader(); ok {
			leaders[s.ID] = leader.Base
		}
	}
	for i := range p.updates {
		keep(&p.updates[i].status)
	}
	for i := range p.creates {
		keep(&p.creates[i])
	}
	return bases, leaders
}
