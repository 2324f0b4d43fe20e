package bitrix24test_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

// mediaTypes are the forms of a body, for a fuzzer to choose from.
var mediaTypes = []string{asJSON, asForm, "multipart/form-data; boundary=b", ""}

func FuzzParameters(f *testing.F) {
	f.Add(byte(0), "filter[ENTITY_ID]=STATUS", `{"order": {"ID": "DESC"}, "start": -1.5e300}`)
	f.Add(byte(1), "filter[][", "filter[NAME][]=%zz&order[SORT]=DESC&a[b[c]=1&[]=2&x[9223372036854775807]=&x[]=")
	f.Add(byte(2), "", "--b\r\nContent-Disposition: form-data; name=\"start\"\r\n\r\n7\r\n--b--")
	f.Add(byte(3), "start=99999999999999999999", "id=165")
	f.Add(byte(0), "entityTypeId=1", `{"filter": {">=id": 3, "!@stageId": ["NEW"], "<movedTime": "2026-08-20"}, "order": {"stageId": "DESC"}, "start": 50}`)
	f.Add(byte(0), "entityTypeId=1", `{"id": 7, "fields": {"stageId": "JUNK", "STATUS_ID": "1", "categoryId": -1, "ENTITY_ID": "STATUS"}}`)
	f.Add(byte(1), "entityTypeId=1", "filter[@id][]=7&filter[@id][]=x&filter[%3Eid]=99999999999999999999&start=-1&select[]=*")
	f.Fuzz(func(t *testing.T, mediaType byte, query, body string) {
		p := bitrix24test.New()
		p.SetPageSize(50)
		p.AddItems(51, bitrix24test.Item{TypeID: 1})
		for _, method := range []string{
			"crm.status.list", "crm.status.get", "crm.category.get", "crm.status.entity.items", "crm.status.add", "crm.status.update",
			"crm.item.list", "crm.lead.list", "crm.stagehistory.list", "crm.item.update", "crm.lead.update", "crm.item.add", "crm.item.delete",
		} {
			status, answer := send(p, http.MethodPost, p.WebhookPath()+method, query, mediaTypes[int(mediaType)%len(mediaTypes)], body)
			if status != 200 && status != 400 || !json.Valid([]byte(answer)) {
				t.Errorf("%s: %d %s", method, status, answer)
			}
		}
	})
}

func FuzzBatch(f *testing.F) {
	f.Add(byte(0), `{"halt": 0, "cmd": {"a": "crm.status.list?filter[ENTITY_ID]=STATUS", "b": "nothing", "c": 7}}`)
	f.Add(byte(0), `{"halt": 1, "cmd": ["profile", "batch", "scope#?"]}`)
	f.Add(byte(0), `{"cmd": {"a": "profile", "b": "crm.status.get?id=$result[a][ID]&x=%24result[a]$next[a][]", "c": "scope?a[]=$error[b]"}}`)
	f.Add(byte(0), `{"cmd": {"<&>": "crm.category.list?entityTypeId=%32", "": "a?b?c", "\u2028": "//x:1"}}`)
	f.Add(byte(1), `halt=false&cmd[0]=profile&cmd[1]=crm.status.get%3Fid%3D165&cmd[]=scope`)
	f.Fuzz(func(t *testing.T, mediaType byte, body string) {
		p := bitrix24test.New()
		status, answer := send(p, http.MethodPost, p.WebhookPath()+"batch", "", mediaTypes[int(mediaType)%len(mediaTypes)], body)
		var decoded struct {
			Result struct {
				Results section `json:"result"`
				Errors  section `json:"result_error"`
				Totals  section `json:"result_total"`
				Next    section `json:"result_next"`
				Time    section `json:"result_time"`
			}
			Time map[string]any
		}
		if err := json.Unmarshal([]byte(answer), &decoded); err != nil || status != 200 || decoded.Time == nil {
			t.Fatalf("%d %v: %s", status, err, answer)
		}
		r := decoded.Result
		if r.Results != r.Time || r.Totals > r.Results || r.Next != 0 || r.Results > 50 {
			t.Errorf("sections of %+v: %s", r, answer)
		}
	})
}

// section is how many entries an object or an array has.
type section int

func (s *section) UnmarshalJSON(data []byte) error {
	var list []any
	if json.Unmarshal(data, &list) == nil {
		*s = section(len(list))
		return nil
	}
	var object map[string]any
	err := json.Unmarshal(data, &object)
	*s = section(len(object))
	return err
}
