package statuslink_test

import (
	"flag"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// law is one promise; holds judges one synchronisation. Laws without it are
// judged by the actions and by [world.do].
type law struct {
	name  string
	holds func(*step) error
}

func laws() []law {
	return []law{
		{"nothing-cut", lawNothingCut},
		{"incomplete", lawIncomplete},
		{"others-go-on", lawOthersGoOn},
		{"fields", lawFields},
		{"base", lawBase},
		{"sequence-table", lawSequenceTable},
		{"arranged-by-hand", lawArrangedByHand},
		{"no-other-moves", lawNoOtherMoves},
		{"created-stand", lawCreatedStand},
		{"decisions", lawDecisions},
		{"partners", lawPartners},
		{"empty-afterwards", lawEmptyAfterwards},
		{"two-runs", lawTwoRuns},
		{"together", lawTogether},
		{"one-name", lawOneName},
		{"pure", lawPure},
		{"explained", lawExplained},
		{"digest", lawDigest},
		{"invariants", nil},
		{"engines", nil},
	}
}

// all stands for every law at once.
const all = "all"

// watches reports whether a law is watched in the world.
func (w *world) watches(name string) bool {
	return w.failure == nil && (w.law == all || slices.Contains(strings.Split(w.law, ","), name))
}

var watched = flag.String("laws", all, "the laws that TestLaws watches, by name with commas between")

// TestLaws lets random histories happen to a small world in which everything
// collides, and watches all laws, or those of flag -laws. A broken law is
// printed with the shortest script found that breaks it. Each of the rounds
// sees -rapid.checks histories of about -rapid.steps actions:
//
//	go test -run TestLaws -rapid.checks=100000 -rapid.nofailfile -timeout 2h .
func TestLaws(t *testing.T) {
	t.Parallel()
	for _, round := range []string{"one", "two"} {
		t.Run(round, func(t *testing.T) {
			t.Parallel()
			var broken *world
			defer func() {
				if broken != nil {
					script, last := shorten(broken)
					t.Logf("the law %q is broken: %v\nby\n%s%s", last.broken, last.failure, story(last.setup, script), last.last)
				}
			}()
			rapid.Check(t, func(rt *rapid.T) {
				w := newWorld(drawSetup(rt), *watched)
				rt.Repeat(map[string]func(*rapid.T){"act": func(rt *rapid.T) {
					w.do(drawAction(rt, w))
					if w.failure != nil {
						broken = w
						rt.Fatalf("the law %q is broken", w.broken)
					}
				}})
			})
		})
	}
}

// replay runs a script, up to where it breaks the law.
func replay(s setup, law string, script []action) *world {
	w := newWorld(s, law)
	for _, a := range script {
		if w.do(a); w.failure != nil {
			break
		}
	}
	return w
}

// shorten leaves out of a script what the law is broken without.
func shorten(broken *world) ([]action, *world) {
	script := broken.script
	for again := true; again; {
		again = false
		for i := len(script) - 1; i >= 0; i-- {
			shorter := append(append([]action(nil), script[:i]...), script[i+1:]...)
			if w := replay(broken.setup, broken.law, shorter); w.broken == broken.broken {
				script, broken, again = w.script, w, true
				i = min(i, len(script))
			}
		}
	}
	return script, broken
}
