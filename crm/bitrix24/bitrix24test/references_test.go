package bitrix24test_test

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestReferences(t *testing.T) {
	t.Parallel()
	for title, want := range map[string]string{
		"$result[deal][item][stageId]":            "C5:NEW",
		"$result[deal][item][id]":                 "3",
		"№$result[deal][item][id]: $total[deals]": "№3: 3",
		"$result[leads][0][TITLE]":                "Заявка #1",
		"$total[deals]":                           "3",
		"$next[leads]":                            "50",
		"$error[bad][error_description]":          "Element not found",
		"$time[deal][operating]":                  "0",
		"$result[deal][item][nothing]":            "$result[deal][item][nothing]",
		"$result[leads][49][TITLE]":               "Заявка #50",
		"$result[leads][50][TITLE]":               "$result[leads][50][TITLE]",
		"$result[leads][x]":                       "$result[leads][x]",
		"$result[bad][id]":                        "$result[bad][id]",
		"$result[later]":                          "$result[later]",
		"$result[deal]":                           "", // a whole array is no text
		"is $result[deal]":                        "is $result[deal]",
		"$result":                                 "$result",
		"$result[deal":                            "$result[deal",
		"$other[deal]":                            "$other[deal]",
		"100 $":                                   "100 $",
	} {
		p := bitrix24test.New()
		p.AddItems(60, bitrix24test.Item{TypeID: 1})
		p.AddItems(3, bitrix24test.Item{TypeID: 2, Category: 5})
		commands := map[string]string{
			"deal": "crm.item.get?entityTypeId=2&id=3", "deals": "crm.item.list?entityTypeId=2", "leads": "crm.lead.list",
			"bad": "crm.item.get?entityTypeId=2&id=4",
		}
		form := ""
		for _, key := range []string{"deal", "deals", "leads", "bad"} {
			form += "cmd[" + key + "]=" + url.QueryEscape(commands[key]) + "&"
		}
		form += "cmd[update]=" + url.QueryEscape("crm.item.update?entityTypeId=1&id=7&fields[title]="+url.QueryEscape(title)) + "&cmd[later]=profile"
		if status, body := send(p, "POST", p.WebhookPath()+"batch", "", asForm, form); status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		item, _ := p.Item(1, 7)
		if want == "" {
			want = "Заявка #7"
			if title == "$result[deal]" {
				want = ""
			}
		}
		if item.Title != want {
			t.Errorf("%s became %q, want %q", title, item.Title, want)
		}
	}
}

func TestReferencesToArrays(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.AddItems(2, bitrix24test.Item{TypeID: 1, Stage: "JUNK"})
	p.AddLead("1")
	var answer struct {
		Result struct {
			Result struct {
				Again struct{ Items []struct{ ID int } }
				Moved struct{ Item struct{ StageID string } }
			}
			Errors json.RawMessage `json:"result_error"`
		}
	}
	result(t, p, "batch", `{"halt": 1, "cmd": {
		"lead": "crm.item.get?entityTypeId=1&id=3",
		"again": "crm.item.list?entityTypeId=1&filter[@id][]=$result[lead][item][id]&filter[@id][]=%24result%5Blead%5D%5Bitem%5D%5BmovedBy%5D",
		"fields": "crm.item.get?entityTypeId=1&id=1",
		"moved": "crm.item.update?entityTypeId=1&id=$result[lead][item][id]&fields=$result[fields][item]"}}`, &answer)
	if diff := cmp.Diff([]struct{ ID int }{{3}}, answer.Result.Result.Again.Items); diff != "" {
		t.Errorf("by a reference (-want +got):\n%s", diff)
	}
	if got := answer.Result.Result.Moved.Item.StageID; got != "JUNK" || string(answer.Result.Errors) != "[]" {
		t.Errorf("fields by a reference: %q, %s", got, answer.Result.Errors)
	}
}
