package bitrix24test_test

import (
	"cmp"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// sdkSays is what testdata/sdk/sdk.mjs prints.
type sdkSays struct {
	Statuses, Pipelines, Stages []string
	Mode, Listed, Batched       int
	Moved, Failed, NotFound     string
}

// Bitrix24's own SDK for JavaScript works with the fake, unchanged: what it relies
// on, the fake has. It needs Node and npm, and the network for npm, and is left out
// where they are not there; with STATUSLINK_SDK=required it fails then.
func TestOfficialSDK(t *testing.T) {
	t.Parallel()
	directory := installSDK(t)
	server := bitrix24test.NewTLSServer()
	t.Cleanup(server.Close)
	server.AddItems(130, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
	certificate := filepath.Join(t.TempDir(), "portal.pem")
	if err := os.WriteFile(certificate, server.Certificate(), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(arguments ...string) sdkSays {
		t.Helper()
		command := exec.CommandContext(t.Context(), "node", append([]string{"sdk.mjs", server.Webhook()}, arguments...)...)
		command.Dir = directory
		command.Env = append(os.Environ(), "NODE_EXTRA_CA_CERTS="+certificate)
		out, err := command.Output()
		if err != nil {
			var exit *exec.ExitError
			errors.As(err, &exit)
			t.Fatalf("node: %v\n%s\n%s", err, out, exit.Stderr)
		}
		var said sdkSays
		if err := json.Unmarshal(out, &said); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		return said
	}
	standing := func(stage string) (n int) {
		for _, item := range server.Items(1) {
			if item.Stage == stage {
				n++
			}
		}
		return n
	}

	said := run()
	for _, text := range []string{said.Failed, said.NotFound} {
		if !strings.Contains(strings.ToLower(text), "not found") {
			t.Errorf("the SDK says %q of a lead that does not exist", text)
		}
	}
	said.Failed, said.NotFound = "", ""
	want := sdkSays{Mode: 1, Listed: 130, Moved: "PROCESSED", Batched: 129}
	for _, status := range server.Statuses() {
		switch status.Scope {
		case "STATUS":
			want.Statuses = append(want.Statuses, status.ID)
		case "DEAL_STAGE_5":
			want.Stages = append(want.Stages, status.ID)
		}
	}
	pipelines := slices.DeleteFunc(server.Pipelines(), func(p bitrix24test.Pipeline) bool { return p.TypeID != 2 })
	slices.SortFunc(pipelines, func(a, b bitrix24test.Pipeline) int { return cmp.Compare(a.Sort, b.Sort) })
	for _, pipeline := range pipelines {
		want.Pipelines = append(want.Pipelines, pipeline.Name)
	}
	if diff := gocmp.Diff(want, said); diff != "" {
		t.Errorf("what the SDK was told (-want +got):\n%s", diff)
	}
	if moved, junk := standing("IN_PROCESS"), standing("JUNK"); moved != 129 || junk != 1 {
		t.Errorf("%d leads were moved by the chunks, and %d by the last batch", moved, junk)
	}

	server.SetRateLimit(2, 50)
	// A stranger keeps the bucket full until the SDK was refused, however long Node
	// takes to start.
	go func() {
		for server.RateLimited() == 0 && t.Context().Err() == nil {
			server.FillBucket()
			time.Sleep(50 * time.Millisecond)
		}
	}()
	if said := run("full"); said.Batched != 130 || standing("PROCESSED") != 130 {
		t.Errorf("with a full bucket %d commands went well, and %d leads were moved", said.Batched, standing("PROCESSED"))
	}
	if server.RateLimited() == 0 {
		t.Error("the portal refused nothing while its bucket was full")
	}
}

// installSDK returns a directory with the SDK and the program that uses it.
func installSDK(t *testing.T) string {
	t.Helper()
	missing := t.Skipf
	if os.Getenv("STATUSLINK_SDK") == "required" {
		missing = t.Fatalf
	}
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			missing("%s is not installed", program)
		}
	}
	directory := t.TempDir()
	if err := os.CopyFS(directory, os.DirFS(filepath.Join("testdata", "sdk"))); err != nil {
		t.Fatal(err)
	}
	install := exec.CommandContext(t.Context(), "npm", "ci", "--ignore-scripts", "--no-progress")
	install.Dir = directory
	if out, err := install.CombinedOutput(); err != nil {
		missing("npm ci: %v\n%s", err, out)
	}
	return directory
}
