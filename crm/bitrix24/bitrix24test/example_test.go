package bitrix24test_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"strings"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func Example() {
	server := bitrix24test.NewServer()
	defer server.Close()
	pipeline := server.AddPipeline("Опт")
	server.AddStatus(pipeline.Scope(), "Образцы отправлены")
	server.FailCommand(1, "crm.status.list", bitrix24test.OperationTimeLimit())

	body := `{"cmd": {"stages": "crm.status.list?filter[ENTITY_ID]=` + pipeline.Scope() + `"}}`
	for range 2 {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, server.Webhook()+"batch", strings.NewReader(body))
		if err != nil {
			log.Fatal(err) //nolint:gocritic // an example ends with its process
		}
		request.Header.Set("Content-Type", "application/json")
		response, err := server.HTTPClient().Do(request)
		if err != nil {
			log.Fatal(err)
		}
		var answer struct {
			Result struct {
				Result json.RawMessage `json:"result"`
				Errors json.RawMessage `json:"result_error"`
			} `json:"result"`
		}
		text, err := io.ReadAll(response.Body)
		if err != nil {
			log.Fatal(err)
		}
		_ = response.Body.Close()
		if err := json.Unmarshal(text, &answer); err != nil {
			log.Fatal(err)
		}
		var result struct {
			Stages []struct{ Name string } `json:"stages"`
		}
		if json.Unmarshal(answer.Result.Result, &result) != nil {
			fmt.Printf("%d %s %s\n", response.StatusCode, answer.Result.Result, answer.Result.Errors)
			continue
		}
		fmt.Println(response.StatusCode, result.Stages)
	}
	fmt.Println(server.TotalRequests(), "requests,", server.Calls("crm.status.list"), "calls")

	// Output:
	// 200 [] {"stages":{"error":"OPERATION_TIME_LIMIT","error_description":"Method is blocked due to operation time limit."}}
	// 200 [{Новая} {Подготовка документов} {Счёт на предоплату} {В работе} {Финальный счёт} {Образцы отправлены} {Сделка успешна} {Сделка провалена} {Анализ причины провала}]
	// 2 requests, 2 calls
}

// Leads are moved by requests here, and one of them by a rule of the portal.
func ExamplePortal_AddLead() {
	p := bitrix24test.New()
	p.AddLead("NEW")
	p.AddLead("NEW")
	p.Automate("STATUS", "IN_PROCESS", "PROCESSED")

	client := p.HTTPClient()
	for _, command := range []string{"entityTypeId=1&id=1&fields[stageId]=JUNK", "entityTypeId=1&id=2&fields[stageId]=IN_PROCESS"} {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, p.Webhook()+"crm.item.update?"+command, nil)
		if err != nil {
			fmt.Println(err)
			return
		}
		response, err := client.Do(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		_ = response.Body.Close()
	}
	for _, lead := range p.Items(1) {
		fmt.Println(lead.ID, lead.PreviousStage, lead.Stage)
	}
	// Output:
	// 1 NEW JUNK
	// 2 IN_PROCESS PROCESSED
}
