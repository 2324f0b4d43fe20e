package main

import (
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
	"github.com/statuslink/statuslink/crm/crmfault"
	"github.com/statuslink/statuslink/examples/internal/console"
)

// run runs the program against the portal and returns its exit code and what it
// printed.
func run(t *testing.T, portal *bitrix24test.Server, args ...string) (code int, out, errs string) {
	t.Helper()
	env := map[string]string{"BITRIX24_WEBHOOK": portal.Webhook()}
	var o, e strings.Builder
	world := console.World{Env: func(name string) string { return env[name] }, In: strings.NewReader(""), Out: &o, Err: &e}
	code = program().Run(t.Context(), world, args)
	return code, o.String(), e.String()
}

func start(t *testing.T) *bitrix24test.Server {
	t.Helper()
	portal := bitrix24test.NewServer()
	t.Cleanup(portal.Close)
	return portal
}

func TestFlagsChooseTheLists(t *testing.T) {
	t.Parallel()
	const leads, deals, other = "bitrix24/STATUS/NEW", "bitrix24/DEAL_STAGE_5/C5:WON", "bitrix24/DYNAMIC_177_STAGE_7"
	for _, test := range []struct {
		args []string
		want []string
		not  []string
	}{
		{nil, []string{leads}, []string{deals, other}},
		{[]string{"-all"}, []string{leads, deals}, []string{other}},
		{[]string{"-deals"}, []string{deals}, []string{leads, other}},
	} {
		code, out, errs := run(t, start(t), append(test.args, "-yes")...)
		if code != 0 || errs != "" {
			t.Fatalf("%v: exit code %d, stderr %q", test.args, code, errs)
		}
		for _, want := range test.want {
			if !strings.Contains(out, want) {
				t.Errorf("%v: no %s in\n%s", test.args, want, out)
			}
		}
		for _, not := range test.not {
			if strings.Contains(out, not) {
				t.Errorf("%v: %s in\n%s", test.args, not, out)
			}
		}
	}
}

func TestPortalWithoutLeadsSaysWhatToDo(t *testing.T) {
	t.Parallel()
	portal := start(t)
	portal.SetSimpleMode(true)
	if code, _, errs := run(t, portal); code != 1 || !strings.Contains(errs, "without leads") {
		t.Errorf("exit code %d, stderr %q", code, errs)
	}
	if code, _, errs := run(t, portal, "-deals", "-yes"); code != 0 {
		t.Errorf("exit code %d, stderr %q", code, errs)
	}
}

func TestErrorsNameTheReasonAndNotTheSecret(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]crmfault.Fault{
		"unauthorized": crmfault.Answer(401, `{"error":"INVALID_CREDENTIALS"}`),
		"bad response": crmfault.HTML(),
	} {
		portal := start(t)
		portal.Fail(-1, fault)
		code, out, errs := run(t, portal)
		if code != 1 || !strings.Contains(errs, name) {
			t.Errorf("exit code %d, stderr %q; want 1 and %q", code, errs, name)
		}
		if strings.Contains(out+errs, bitrix24test.DefaultSecret) {
			t.Error("the output holds the secret")
		}
	}
}

func TestEmptyWebhookSaysWhatAGoodOneLooksLike(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	world := console.World{Env: func(string) string { return "" }, Out: &out, Err: &errs}
	if code := program().Run(t.Context(), world, nil); code != 1 ||
		!strings.Contains(errs.String(), "BITRIX24_WEBHOOK") || !strings.Contains(errs.String(), "/rest/USER/SECRET/") {
		t.Errorf("exit code %d, stderr %q", code, errs.String())
	}
}
