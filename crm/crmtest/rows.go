package crmtest

import (
	"bytes"
	"encoding/json"

	"github.com/statuslink/statuslink/crm"
)

var rowChecks = []check{{name: "SkipsNoRowThatItCannotRead", run: skipsNoUnreadableRow}}

// skipsNoUnreadableRow: a row that cannot be read fails the call; without it the
// list would be a part.
func skipsNoUnreadableRow(t *test) {
	client := t.client(Conn{})
	t.ready(40) // more than any other list in an answer is likely to have
	for _, row := range []string{`{}`, `null`, `17`} {
		spoilt := false
		t.suffers(rewritten(func(body []byte) []byte {
			changed := spoilRow(body, json.RawMessage(row))
			spoilt = changed != nil
			if !spoilt {
				return body
			}
			return changed
		}))
		out := t.call(t.Context(), client)
		if !spoilt {
			t.calm()
			t.Skipf("the CRM's answer is no JSON with a list of objects in it")
		}
		t.failed("the row "+row+" among sound ones", client, out, crm.ErrBadResponse, crm.ErrIncomplete)
	}
	t.recovers(client)
}

// spoilRow returns the JSON with another row in the place of the second one in
// the longest list of objects; nil if there is none.
func spoilRow(body []byte, row json.RawMessage) []byte {
	var value any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return nil
	}
	var longest []any
	var walk func(value any)
	walk = func(value any) {
		switch v := value.(type) {
		case map[string]any:
			for _, inner := range v {
				walk(inner)
			}
		case []any:
			if len(v) > max(1, len(longest)) {
				if _, object := v[1].(map[string]any); object {
					longest = v
				}
			}
			for _, inner := range v {
				walk(inner)
			}
		}
	}
	walk(value)
	if longest == nil {
		return nil
	}
	longest[1] = row
	changed, err := json.Marshal(value)
	if err != nil {
		return nil
	}
	return changed
}
