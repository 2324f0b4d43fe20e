package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"text/tabwriter"
)

// messenger is the console: each line that comes in is a message or a command, and
// what the bot says goes out. A real one would be a client of a messenger's API.
type messenger struct {
	in    io.Reader
	typed bool // by a person, who is asked for each line and sees it

	mu  sync.Mutex // Follow tells of changes from goroutines of its own
	out io.Writer
}

// lines hands each line over, until the input ends, ctx does, or handle says so. The
// end of ctx is noticed at the next line. Lines with a # are comments of a script.
func (m *messenger) lines(ctx context.Context, handle func(line string) (more bool)) error {
	scanner := bufio.NewScanner(m.in)
	for m.ask(); scanner.Scan() && ctx.Err() == nil; m.ask() {
		line := strings.TrimSpace(scanner.Text())
		comment := line == "" || strings.HasPrefix(line, "#")
		switch {
		case m.typed:
		case comment:
			m.print("%s\n", line)
		default:
			m.print("> %s\n", line)
		}
		if comment {
			continue
		}
		if !handle(line) {
			return nil
		}
	}
	return scanner.Err()
}

func (m *messenger) ask() {
	if m.typed {
		m.print("> ")
	}
}

// send is a message of the bot to a client.
func (m *messenger) send(to, text string) { m.print("bot to %s: %s\n", to, text) }

// note tells the operator what happened.
func (m *messenger) note(format string, args ...any) { m.print("[bot] "+format+"\n", args...) }

// fail shows an error as it is: those of statuslink say what to do.
func (m *messenger) fail(err error) { m.print("error: %v\n", err) }

// table prints rows in columns, the first as their heads.
func (m *messenger) table(rows [][]string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w := tabwriter.NewWriter(m.out, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		fmt.Fprintln(w, "  "+strings.Join(row, "\t"))
	}
	_ = w.Flush()
}

func (m *messenger) print(format string, args ...any) {
	m.mu.Lock()
	defer m.mu.Unlock()
	fmt.Fprintf(m.out, format, args...)
}
