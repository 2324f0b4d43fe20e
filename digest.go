package statuslink

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/statuslink/statuslink/crm"
)

// computeDigest hashes what the plan does: operations without names and
// reasons, held and refused parts, and policy.
func (p *Plan) computeDigest() string {
	type step struct {
		Kind          OperationKind
		Ref, Was      crm.Ref
		Status        StatusRef
		Changes       []Change
		Before, After []StatusRef
	}
	type part struct {
		Kind  FindingKind
		Scope ScopeKey
	}
	content := struct {
		Policy  Policy
		Steps   []step
		Missing []part
	}{Policy: p.policy}
	anonymous := func(refs []StatusRef) []StatusRef {
		refs = slices.Clone(refs)
		for i := range refs {
			refs[i].Name = ""
		}
		return refs
	}
	for _, op := range p.operations {
		op.Status.Name = ""
		content.Steps = append(content.Steps, step{
			op.Kind, op.Ref, op.Was, op.Status, op.Changes, anonymous(op.Before), anonymous(op.After),
		})
	}
	for _, f := range p.findings {
		switch f.Kind {
		case FindingHeld, FindingFailed, FindingOtherAccount:
			content.Missing = append(content.Missing, part{f.Kind, f.Scope})
		}
	}
	var text strings.Builder
	if err := json.NewEncoder(&text).Encode(content); err != nil {
		panic("statuslink: a plan cannot be encoded: " + err.Error()) // only texts and numbers
	}
	sum := sha256.Sum256([]byte(text.String()))
	return hex.EncodeToString(sum[:16])
}
