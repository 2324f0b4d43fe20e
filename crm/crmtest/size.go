package crmtest

import (
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/statuslink/statuslink/crm"
)

var sizeChecks = []check{
	{name: "RefusesALargeAnswer", run: refusesALargeAnswer},
	{name: "EndsAnEndlessAnswer", run: endsAnEndlessAnswer},
}

// refusesALargeAnswer: an answer beyond the limit is an error, not a part.
func refusesALargeAnswer(t *test) {
	want := t.show(120)
	t.reads("an answer within the default limit", t.client(Conn{}), want)
	t.fails("an answer larger than MaxBody of 500 bytes", t.client(Conn{MaxBody: 500}), crm.ErrBadResponse)
}

// muchTooLong is where an endless answer ends after all.
const muchTooLong = 32 << 20

var blanks = strings.Repeat(" ", 64<<10)

// endless is a text and then blanks; read counts what was taken of it.
type endless struct {
	text io.Reader
	read *atomic.Int64
}

func (e endless) Read(p []byte) (int, error) {
	if e.read.Load() > muchTooLong {
		return 0, io.EOF
	}
	n, _ := e.text.Read(p)
	if n == 0 {
		n = copy(p, blanks)
	}
	e.read.Add(int64(n))
	return n, nil
}

// endsAnEndlessAnswer: the size of an answer is limited, so that a CRM that does
// not stop talking does not fill the memory.
func endsAnEndlessAnswer(t *test) {
	t.ready(3)
	for _, answer := range []struct {
		name   string
		status int
		text   string
		kind   error
	}{
		{"an endless answer", http.StatusOK, "[", crm.ErrBadResponse},
		{"an endless answer with HTTP 500", http.StatusInternalServerError, "that did not work", crm.ErrUnavailable},
	} {
		var read atomic.Int64
		t.wire.play(func(*http.Request) (*http.Response, error) {
			return reply(answer.status, endless{strings.NewReader(answer.text), &read}), nil
		})
		t.fails(answer.name, t.client(Conn{Attempts: 1}), answer.kind)
		if read.Load() > muchTooLong {
			t.Errorf("%s: more than %d MiB were read of it; the size of an answer is limited before it is decoded",
				answer.name, muchTooLong>>20)
		}
	}
}
