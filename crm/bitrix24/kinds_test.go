package bitrix24_test

import (
	"testing"

	"github.com/statuslink/statuslink/crm/bitrix24"
)

func TestKindOf(t *testing.T) {
	t.Parallel()
	client, err := bitrix24.New("https://b24.example.com/rest/17/made-up/", nil)
	if err != nil {
		t.Fatal(err)
	}
	for directory, want := range map[string]string{
		"STATUS": "lead", "DEAL_STAGE": "deal", "DEAL_STAGE_5": "deal", "QUOTE_STATUS": "quote",
		"SMART_INVOICE_STAGE_3": "invoice", "DYNAMIC_177_STAGE_9": "dynamic:177", "DYNAMIC_1038_STAGE_21": "dynamic:1038",
		"": "", "SOURCE": "", "DEAL_STAGE_0": "", "DEAL_STAGE_x": "", "DEAL_STAGE_05": "", "DEAL_TYPE": "",
		"DYNAMIC_2_STAGE_1": "", "DYNAMIC_0177_STAGE_9": "", "DYNAMIC_177_STAGE_": "", "DYNAMIC_177": "", "SMART_INVOICE_STAGE_-1": "",
	} {
		kind, ok := client.KindOf(directory)
		if kind != want || ok != (want != "") {
			t.Errorf("KindOf(%q) = %q, %t, want %q", directory, kind, ok, want)
		}
	}
}
