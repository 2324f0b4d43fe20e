package bitrix24test_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// rowsOf returns how many rows crm.status.list says there are, or -1 for an
// error.
func rowsOf(t *testing.T, body string) int {
	t.Helper()
	var answer struct{ Total *int }
	if err := json.Unmarshal([]byte(body), &answer); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if answer.Total == nil {
		return -1
	}
	return *answer.Total
}

func TestParametersAreReadAsPHPDoes(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	for query, want := range map[string]int{
		"":                                                    66,
		"filter[ENTITY_ID]=STATUS":                            8,
		"filter%5BENTITY_ID%5D=STATUS":                        8,
		"filter%5bENTITY_ID%5d=STATU%53":                      8,
		"&&filter[ENTITY_ID]=STATUS&=&=x":                     8,
		"+filter[ENTITY_ID]=STATUS":                           8,
		"filter[ENTITY_ID]=STATUS%":                           0,
		"filter[ENTITY_ID]=STATUS%5":                          0,
		"filter[ENTITY_ID]=STATUS%zz":                         0,
		"filter[ENTITY_ID]x=STATUS":                           8, // what follows is ignored
		"filter[ENTITY_ID]x[y]=STATUS":                        8,
		"filter[ENTITY_ID=STATUS":                             66, // the name is "filter_ENTITY_ID"
		"filter[ENTITY_ID][=STATUS":                           8,
		"filter[ENTITY_ID][]=STATUS":                          -1,
		"filter[ENTITY_ID][a][b]=STATUS":                      -1,
		"filter[][ENTITY_ID]=STATUS":                          66,
		"filter[ ]=STATUS":                                    66,
		"[filter][ENTITY_ID]=STATUS":                          66, // dropped: it has no name
		"filter=x&filter[ENTITY_ID]=STATUS":                   8,
		"filter[ENTITY_ID]=STATUS&filter=x":                   66,
		"filter[ENTITY_ID]=SOURCE&filter[ENTITY_ID]=STATUS":   8,
		"filter[ENTITY_ID][]=SOURCE&filter[ENTITY_ID]=STATUS": 8,
		"filter%00[x]=1":                                      66,
		"Filter[ENTITY_ID]=STATUS":                            66,
		"filter[ENTITY_ID]=STATUS;x":                          0,
		"filter" + strings.Repeat("[x]", 70) + "=1&filter[ENTITY_ID]=STATUS": 8,
		"filter[ENTITY_ID]" + strings.Repeat("[x]", 70) + "=1":               66,
		"filter[ENTITY_ID]" + strings.Repeat("[x]", 60) + "=1":               -1,
		"filter[ENTITY_ID]=STATUS&filter" + strings.Repeat("[x]", 70) + "=1": 66, // drops the whole filter
	} {
		if _, body := send(p, http.MethodGet, p.WebhookPath()+"crm.status.list", query, "", "ignored=1"); rowsOf(t, body) != want {
			t.Errorf("query %q: %d rows, want %d", query, rowsOf(t, body), want)
		}
		if _, body := send(p, http.MethodPost, p.WebhookPath()+"crm.status.list", "", asForm, query); rowsOf(t, body) != want {
			t.Errorf("form %q: %d rows, want %d", query, rowsOf(t, body), want)
		}
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	const (
		leads     = `{"filter": {"ENTITY_ID": "STATUS"}}`
		multipart = "--b\r\nContent-Disposition: form-data; name=\"filter[ENTITY_ID]\"\r\n\r\nSTATUS\r\n" +
			"--b\r\nContent-Disposition: form-data; name=\"filter\"; filename=\"x\"\r\n\r\nx\r\n--b--\r\n"
	)
	p := bitrix24test.New()
	for _, test := range []struct {
		query, mediaType, body string
		want                   int
	}{
		{"", asJSON, leads, 8},
		{"", "Application/JSON; charset=utf-8", leads, 8},
		{"", "text/json", leads, 66}, // read as a form
		{"", "", leads, 66},
		{"", "text/plain", "filter[ENTITY_ID]=STATUS", 8},
		{"", asJSON, "filter[ENTITY_ID]=STATUS", 66},
		{"", asJSON, leads[1:], 66}, // broken: no parameters, and no error
		{"", asJSON, leads + "x", 66},
		{"", asJSON, strings.Replace(leads, "STATUS", "\xff", 1), 66},
		{"", asJSON, `[{"ENTITY_ID": "STATUS"}]`, 66},
		{"", asJSON, `"filter"`, 66},
		{"", asJSON, `{"a": ` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `, "filter": {"ENTITY_ID": "STATUS"}}`, 66},
		{"", asJSON, `{"filter": {"ENTITY_ID": "SOURCE", "ENTITY_ID": "STATUS"}}`, 8},
		{"filter[ENTITY_ID]=STATUS", asJSON, `{"order": {"ID": "ASC"}}`, 8}, // merged
		{"filter[ENTITY_ID]=STATUS", asJSON, `{broken`, 8},
		{"filter[ENTITY_ID]=SOURCE", asJSON, leads, 8}, // the body wins
		{"filter[ENTITY_ID]=SOURCE", asForm, "filter[ENTITY_ID]=STATUS", 8},
		{"filter[ENTITY_ID]=SOURCE", asForm, "filter[NAME]=", 66},
		{"", "multipart/form-data; boundary=b", multipart, 8},
		{"", "multipart/form-data", multipart, 66},
		{"", "multipart/form-data; boundary=other", multipart, 66},
	} {
		status, body := send(p, http.MethodPost, p.WebhookPath()+"crm.status.list", test.query, test.mediaType, test.body)
		if got := rowsOf(t, body); status != http.StatusOK || got != test.want {
			t.Errorf("%q, %q, %q: %d, %d rows, want %d", test.query, test.mediaType, test.body, status, got, test.want)
		}
	}
}

func TestKeysOfABatch(t *testing.T) {
	t.Parallel()
	const mode = "=crm.settings.mode.get"
	for form, want := range map[string]string{
		"cmd[]" + mode + "&cmd[]" + mode:                       `[1,1]`,
		"cmd[0]" + mode + "&cmd[1]" + mode:                     `[1,1]`,
		"cmd[1]" + mode + "&cmd[0]" + mode:                     `{"1":1,"0":1}`,
		"cmd[00]" + mode:                                       `{"00":1}`,
		"cmd[5]" + mode + "&cmd[]" + mode:                      `{"5":1,"6":1}`,
		"cmd[05]" + mode + "&cmd[]" + mode:                     `{"05":1,"0":1}`,
		"cmd[a b.c]" + mode:                                    `{"a b.c":1}`,
		"cmd[]=nothing&cmd[]" + mode:                           `{"1":1}`,
		"cmd[-3]" + mode:                                       `{"-3":1}`,
		"cmd[%26\"]" + mode:                                    `{"\u0026\u0022":1}`,
		"cmd[9223372036854775807]" + mode + "&cmd[]" + mode:    `{"9223372036854775807":1}`,
		"cmd[b]" + mode + "&cmd[a]" + mode + "&cmd[b]=nothing": `{"a":1}`,
	} {
		p := bitrix24test.New()
		_, body := send(p, http.MethodPost, p.WebhookPath()+"batch", "", asForm, form)
		if !strings.HasPrefix(body, `{"result":{"result":`+want+`,"result_error":`) {
			t.Errorf("%s: %s, want %s", form, body, want)
		}
	}
}
