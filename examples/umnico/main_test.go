package main

import (
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm/crmfault"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
	"github.com/statuslink/statuslink/examples/internal/console"
)

// run runs the program against the account and returns its exit code and what it
// printed.
func run(t *testing.T, server *umnicotest.Server, args ...string) (code int, out, errs string) {
	t.Helper()
	env := map[string]string{"UMNICO_TOKEN": server.Token(), "UMNICO_BASE_URL": server.URL}
	var o, e strings.Builder
	world := console.World{Env: func(name string) string { return env[name] }, In: strings.NewReader(""), Out: &o, Err: &e}
	code = program().Run(t.Context(), world, args)
	return code, o.String(), e.String()
}

func start(t *testing.T) *umnicotest.Server {
	t.Helper()
	server := umnicotest.NewServer()
	t.Cleanup(server.Close)
	return server
}

func TestLinksTheStatusesOfTheAccount(t *testing.T) {
	t.Parallel()
	code, out, errs := run(t, start(t), "-yes")
	if code != 0 || errs != "" {
		t.Fatalf("exit code %d, stderr %q", code, errs)
	}
	for _, want := range []string{"umnico/710201", "umnico/710231"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %s in\n%s", want, out)
		}
	}
}

func TestErrorsNameTheReasonAndNotTheToken(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]crmfault.Fault{
		"unauthorized": crmfault.Answer(401, `{"error":"Unauthorized"}`),
		"bad response": crmfault.HTML(),
	} {
		server := start(t)
		server.Fail(-1, fault)
		code, out, errs := run(t, server)
		if code != 1 || !strings.Contains(errs, name) {
			t.Errorf("exit code %d, stderr %q; want 1 and %q", code, errs, name)
		}
		if strings.Contains(out+errs, server.Token()) {
			t.Error("the output holds the token")
		}
	}
}

func TestEmptyTokenSaysWhatAGoodOneLooksLike(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	world := console.World{Env: func(string) string { return "" }, Out: &out, Err: &errs}
	if code := program().Run(t.Context(), world, nil); code != 1 || !strings.Contains(errs.String(), "UMNICO_TOKEN") {
		t.Errorf("exit code %d, stderr %q", code, errs.String())
	}
}
