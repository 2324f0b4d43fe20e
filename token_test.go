package statuslink_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
)

func TestConfirmRefusesWhatIsNoToken(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	reads := fake.Calls()
	encode := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	token := b.plan(syncer).Token()
	for name, token := range map[string]string{
		"nothing": "", "no base64": "§", "no JSON": encode("hello"), "JSON of nothing": encode("null"),
		"JSON without a digest": encode("{}"), "a list": encode("[]"), "half a token": token[:len(token)/2], "a longer one": token + "AAAA",
	} {
		report, err := syncer.Confirm(t.Context(), token)
		wantKind(t, name, err, statuslink.ErrInvalid, "confirm", "")
		if report != nil || fake.Calls() != reads+1 {
			t.Errorf("%s: report %+v after %d reads", name, report, fake.Calls()-reads-1)
		}
	}
}

func TestTokenOfAReleasedPlan(t *testing.T) {
	t.Parallel()
	b, fake, syncer := newLinkedBot(t)
	fake.Show(stages("crm", "A"))
	plan := b.plan(syncer)
	before := b.snapshot()
	if report := b.confirm(syncer, plan.Token()); report.Applied {
		t.Error("a token of a held plan releases it")
	}
	b.wantSame("a held plan changes nothing", before)

	elsewhere, err := statuslink.NewSyncer(b.other(), nil, fake) // another process
	b.must(err)
	report := b.confirm(elsewhere, plan.Release(plan.Held()...).Token())
	missing := 0
	for _, op := range report.Plan.Operations() {
		if op.Kind == statuslink.OpMissing {
			missing++
		}
	}
	if !report.Applied || missing != 3 {
		t.Errorf("the token does not release again: %+v\n%v", report, report.Plan)
	}
}

func TestTokenHoldsNoSecret(t *testing.T) {
	t.Parallel()
	b := newBot(t, "new")
	down := crmfake.New("down")
	down.Fail(crm.ErrUnauthorized)
	plan := b.plan(b.syncer(nil, down, crmfake.New("crm", stages("crm", "Ivan +7 900"))))
	content, err := base64.RawURLEncoding.DecodeString(plan.Token())
	b.must(err)
	var fields map[string]any
	b.must(json.Unmarshal(content, &fields))
	var names []string
	for name := range fields {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"d", "t", "v"}, names); diff != "" {
		t.Errorf("a token holds digest, time and version (-want +got)\n%s", diff)
	}
	if strings.Contains(string(content), "900") {
		t.Errorf("a token holds a name: %s", content)
	}
}
