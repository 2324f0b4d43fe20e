package statuslink_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The README shows the program of the package's Example, and its output.
func TestREADMEShowsTheExample(t *testing.T) {
	t.Parallel()
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	between := func(text, start, end string) string {
		_, text, found := strings.Cut(text, start)
		if !found {
			t.Fatalf("no %q", start)
		}
		text, _, found = strings.Cut(text, end)
		if !found {
			t.Fatalf("no %q", end)
		}
		return strings.TrimSpace(text)
	}
	readme, example := read("README.md"), read("example_test.go")
	if diff := cmp.Diff(between(example, "func Example() {", "// Output:"), between(readme, "func main() {", "\n}\n```")); diff != "" {
		t.Errorf("the README's program is not the Example (-example +README)\n%s", diff)
	}
	output := regexp.MustCompile(`(?m)^\t// ?`).ReplaceAllString(between(example, "// Output:", "\n}\n"), "")
	if diff := cmp.Diff(strings.TrimSpace(strings.TrimPrefix(output, "//")), between(readme, "```text", "```")); diff != "" {
		t.Errorf("the README's output is not the Example's (-example +README)\n%s", diff)
	}
	second := between(read("example_leads_second_test.go"), "func Example_leads() {", "// Output:")
	second = regexp.MustCompile(`(?m)^\t`).ReplaceAllString(second, "")
	if diff := cmp.Diff(second, between(readme, "falls silent when a manager does:\n\n```go", "\n```")); diff != "" {
		t.Errorf("the README's second program is not the Example (-example +README)\n%s", diff)
	}
}
