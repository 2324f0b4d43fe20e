package console_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/statuslink/statuslink"
	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/crmfake"
	"github.com/statuslink/statuslink/examples/internal/console"
)

// result is what one run of the program left.
type result struct {
	code     int
	out, err string
}

func start(t *testing.T, fake *crmfake.Client, in string, args ...string) result {
	t.Helper()
	var out, errs strings.Builder
	program := console.Program{
		Name:        "acme",
		Flags:       func(flags *flag.FlagSet) { flags.Bool("all", false, "") },
		Connect:     func(func(string) string) (crm.Client, error) { return fake, nil },
		Definitions: []statuslink.Definition{{Key: "new", Name: "Новый"}, {Key: "paid", Name: "Оплачено"}},
	}
	code := program.Run(t.Context(), console.World{In: strings.NewReader(in), Out: &out, Err: &errs}, args)
	return result{code, out.String(), errs.String()}
}

// show returns a client whose list has both statuses that the program needs.
func show(t *testing.T) *crmfake.Client {
	t.Helper()
	return crmfake.New("acme", crmfake.Listing("acme", crm.Scope{}, crmfake.Status("1", "Новый"), crmfake.Status("2", "Оплачено")))
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
			got := start(t, show(t), test.in, test.args...)
			if got.code != 0 || got.err != "" {
				t.Fatalf("exit code %d, stderr %q", got.code, got.err)
			}
			if applied := strings.Contains(got.out, "acme/1"); applied != test.applied {
				t.Errorf("applied is %v, want %v\n%s", applied, test.applied, got.out)
			}
		})
	}
}

func TestFileKeepsTheStatuses(t *testing.T) {
	t.Parallel()
	fake, file := show(t), filepath.Join(t.TempDir(), "state.json")
	if got := start(t, fake, "", "-yes", "-file", file); got.code != 0 {
		t.Fatal(got)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := start(t, fake, "", "-yes", "-file", file)
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
	got := start(t, show(t), "", "-json", "-file", file)
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

func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"help", []string{"-h"}, 0, "apply without asking"},
		{"a flag of its own", []string{"-all", "-yes"}, 0, ""},
		{"unknown flag", []string{"-nope"}, 2, "-nope"},
		{"argument", []string{"-yes", "more"}, 2, `"more"`},
	} {
		if got := start(t, show(t), "", test.args...); got.code != test.code || !strings.Contains(got.err, test.says) {
			t.Errorf("%s: exit code %d, stderr %q", test.name, got.code, got.err)
		}
	}
}

func TestErrorsGoToStderrWithExitCode1(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{nil, {"-yes"}, {"-json"}} {
		fake := crmfake.New("acme")
		fake.Fail(crm.ErrUnauthorized)
		got := start(t, fake, "", args...)
		if got.code != 1 || !strings.Contains(got.err, "acme: acme: list statuses: unauthorized") {
			t.Errorf("%v: exit code %d, stderr %q", args, got.code, got.err)
		}
	}
	program := console.Program{Name: "acme", Connect: func(func(string) string) (crm.Client, error) { return nil, errors.New("no token") }}
	var errs strings.Builder
	if code := program.Run(t.Context(), console.World{Err: &errs}, nil); code != 1 || errs.String() != "acme: no token\n" {
		t.Errorf("exit code %d, stderr %q", code, errs.String())
	}
}

func TestRefusedListIsAnError(t *testing.T) {
	t.Parallel()
	fake, file := show(t), filepath.Join(t.TempDir(), "state.json")
	if got := start(t, fake, "", "-yes", "-file", file); got.code != 0 {
		t.Fatal(got)
	}
	fake.Show(crmfake.Listing("acme", crm.Scope{}))
	for _, args := range [][]string{{"-yes", "-file", file}, {"-json", "-file", file}} {
		if got := start(t, fake, "", args...); got.code != 1 || !strings.Contains(got.err, "refused") {
			t.Errorf("%v: exit code %d, stderr %q; an empty list was believed", args, got.code, got.err)
		}
	}
}
