package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm/crmfault"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

// result is what one run of the program left.
type result struct {
	code     int
	out, err string
}

func run(t *testing.T, server *umnicotest.Server, in string, args ...string) result {
	t.Helper()
	env := map[string]string{"UMNICO_TOKEN": server.Token(), "UMNICO_BASE_URL": server.URL}
	var out, errs strings.Builder
	p := program{env: func(name string) string { return env[name] }, in: strings.NewReader(in), out: &out, err: &errs}
	code := p.main(t.Context(), args)
	return result{code, out.String(), errs.String()}
}

func start(t *testing.T) *umnicotest.Server {
	t.Helper()
	server := umnicotest.NewServer()
	t.Cleanup(server.Close)
	return server
}

func TestAsksBeforeItApplies(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, in string
		args     []string
		applied  bool
	}{
		{"yes", "y\n", nil, true},
		{"да", "Да\n", nil, true},
		{"no", "n\n", nil, false},
		{"end of input", "", nil, false},
		{"without asking", "", []string{"-yes"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := run(t, start(t), test.in, test.args...)
			if got.code != 0 || got.err != "" {
				t.Fatalf("exit code %d, stderr %q", got.code, got.err)
			}
			if applied := strings.Contains(got.out, "umnico/710201"); applied != test.applied {
				t.Errorf("applied is %v, want %v\n%s", applied, test.applied, got.out)
			}
		})
	}
}

func TestFileKeepsTheStatuses(t *testing.T) {
	t.Parallel()
	server, file := start(t), filepath.Join(t.TempDir(), "state.json")
	if got := run(t, server, "", "-yes", "-file", file); got.code != 0 {
		t.Fatal(got)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := run(t, server, "", "-yes", "-file", file)
	if got.code != 0 || !strings.Contains(got.out, "Nothing to do.") {
		t.Errorf("the second run has something to do: %+v", got)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the second run wrote the file anew (%v)", err)
	}
}

func TestJSONPrintsThePlanAndWritesNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "state.json")
	got := run(t, start(t), "", "-json", "-file", file)
	if got.code != 0 || got.err != "" {
		t.Fatalf("exit code %d, stderr %q", got.code, got.err)
	}
	var plan struct {
		Operations []struct{ Kind string }
	}
	if err := json.Unmarshal([]byte(got.out), &plan); err != nil {
		t.Fatalf("stdout is not one JSON value: %v\n%s", err, got.out)
	}
	links := 0
	for _, op := range plan.Operations {
		if op.Kind == "link" {
			links++
		}
	}
	if links != 2 {
		t.Errorf("%d links in the plan, want 2: the statuses that the program ensures are not in it", links)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("-json wrote the file (%v)", err)
	}
}

func TestErrorsGoToStderrWithExitCode1(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault crmfault.Fault
		args  []string
		want  string
	}{
		{"wrong token", crmfault.Answer(401, `{"error":"Unauthorized"}`), nil, "unauthorized"},
		{"wrong token, JSON", crmfault.Answer(401, `{"error":"Unauthorized"}`), []string{"-json"}, "unauthorized"},
		{"web page", crmfault.HTML(), []string{"-yes"}, "bad response"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := start(t)
			server.Fail(100, test.fault)
			got := run(t, server, "", test.args...)
			if got.code != 1 || !strings.Contains(got.err, test.want) {
				t.Errorf("exit code %d, stderr %q; want 1 and %q", got.code, got.err, test.want)
			}
			if strings.Contains(got.out+got.err, server.Token()) {
				t.Error("the output holds the token")
			}
		})
	}
}

func TestRefusedListIsAnError(t *testing.T) {
	t.Parallel()
	server, file := start(t), filepath.Join(t.TempDir(), "state.json")
	if got := run(t, server, "", "-yes", "-file", file); got.code != 0 {
		t.Fatal(got)
	}
	server.Fail(100, umnicotest.EmptyList())
	for _, args := range [][]string{{"-yes", "-file", file}, {"-json", "-file", file}} {
		got := run(t, server, "", args...)
		if got.code != 1 || !strings.Contains(got.err, "refused") {
			t.Errorf("%v: exit code %d, stderr %q; an empty list was believed", args, got.code, got.err)
		}
	}
}

func TestEmptyTokenSaysWhatAGoodOneLooksLike(t *testing.T) {
	t.Parallel()
	var out, errs strings.Builder
	p := program{env: func(string) string { return "" }, out: &out, err: &errs}
	if code := p.main(t.Context(), nil); code != 1 || !strings.Contains(errs.String(), "UMNICO_TOKEN") {
		t.Errorf("exit code %d, stderr %q", code, errs.String())
	}
}
