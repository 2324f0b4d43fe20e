package umnicotest_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

func TestWebhookCalls(t *testing.T) {
	t.Parallel()
	const hooks, first = "/v1.3/webhooks", "/v1.3/webhooks/30501"
	fake := umnicotest.New()
	want(t, fake, "GET", hooks, "", 200, `[]`)
	want(t, fake, "POST", hooks, `{"url":"https://a.example"}`, 200, `{"id":30501,"url":"https://a.example","name":null,"status":1}`)
	want(t, fake, "POST", hooks+"/", `{"url":"http://b.example/x?y","name":"бот"}`, 200, `{"id":30502,"url":"http://b.example/x?y","name":"бот","status":1}`)
	for body, text := range map[string]string{
		``: "url is required", `{}`: "url is required", `{"url":5}`: "url is required", `{"url":""}`: "url is not valid",
		`{"url":"ftp://c.example"}`: "url is not valid", `{"url":"c.example"}`: "url is not valid", `{"url":"https://"}`: "url is not valid",
	} {
		want(t, fake, "POST", hooks, body, 422, `{"error":"`+text+`"}`)
	}
	want(t, fake, "PUT", first, `{"status":0}`, 200, `{"id":30501,"url":"https://a.example","name":null,"status":0}`)
	want(t, fake, "PUT", first+"/", `{"status":1,"name":"new"}`, 200, `{"id":30501,"url":"https://a.example","name":"new","status":1}`)
	want(t, fake, "PUT", first, `{"url":"https://a.example"}`, 200, `{"id":30501,"url":"https://a.example","name":"new","status":1}`)
	want(t, fake, "PUT", first, `{"url":"http://b.example/x?y"}`, 400, `{"error":"This server already exists"}`)
	want(t, fake, "PUT", first, `{"status":2}`, 422, `{"error":"status must be 0 or 1"}`)
	want(t, fake, "PUT", first, `{`, 422, `{"error":"a JSON object is required"}`)
	want(t, fake, "PUT", first, `{"url":"https://c.example"}`, 200, `{"id":30501,"url":"https://c.example","name":"new","status":1}`)
	for _, request := range [][2]string{
		{"PUT", hooks}, {"PUT", hooks + "/1"}, {"PUT", hooks + "/x"}, {"DELETE", hooks}, {"DELETE", hooks + "/1"}, {"GET", first}, {"POST", first},
	} {
		want(t, fake, request[0], request[1], `{"status":1}`, 404, `{"error":"Not found"}`)
	}
	fake.Webhooks()[0].Off = true // of a copy
	if diff := cmp.Diff([]umnicotest.Webhook{
		{ID: 30501, URL: "https://c.example", Name: "new"}, {ID: 30502, URL: "http://b.example/x?y", Name: "бот"},
	}, fake.Webhooks()); diff != "" {
		t.Errorf("Webhooks (-want +got):\n%s", diff)
	}
	want(t, fake, "DELETE", first, "", 200, `{"id":30501,"url":"https://c.example","name":"new","status":1}`)
	want(t, fake, "DELETE", first, "", 404, `{"error":"Not found"}`)
	for i := range 9 {
		if status, body := call(t, fake, "POST", hooks, fmt.Sprintf(`{"url":"https://%d.example"}`, i)); status != 200 {
			t.Errorf("webhook %d: %d %s", i, status, body)
		}
	}
	want(t, fake, "POST", hooks, `{"url":"https://9.example"}`, 400, `{"error":"Webhooks limit exceeded"}`)
	want(t, fake, "POST", hooks, `{"url":"https://8.example"}`, 400, `{"error":"This server already exists"}`)
	if got := len(fake.Webhooks()); got != 10 {
		t.Errorf("%d webhooks", got)
	}
}

func TestWebhookCallsThatAreNotKnown(t *testing.T) {
	t.Parallel()
	fake := umnicotest.New()
	fake.SetWebhookCalls(umnicotest.WebhookCalls{Created: 201, Exists: 409, Full: 422, Answer: umnicotest.AnswerNothing, HTTPS: true})
	want(t, fake, "POST", "/v1.3/webhooks", `{"url":"http://a.example"}`, 422, `{"error":"url is not valid"}`)
	want(t, fake, "POST", "/v1.3/webhooks", `{"url":"https://a.example"}`, 201, `{"id":30501,"url":"https://a.example","name":null,"status":1}`)
	want(t, fake, "POST", "/v1.3/webhooks", `{"url":"https://a.example"}`, 409, `{"error":"This server already exists"}`)
	want(t, fake, "PUT", "/v1.3/webhooks/30501", `{"status":0}`, 204, "")
	if hooks := fake.Webhooks(); !hooks[0].Off {
		t.Error("the change was not made")
	}
	for i := range 9 {
		fake.AddWebhook(umnicotest.Webhook{URL: fmt.Sprint(i)})
	}
	want(t, fake, "POST", "/v1.3/webhooks", `{"url":"https://b.example"}`, 422, `{"error":"Webhooks limit exceeded"}`)
	fake.SetWebhookCalls(umnicotest.WebhookCalls{Answer: umnicotest.AnswerEmptyObject})
	want(t, fake, "DELETE", "/v1.3/webhooks/30501", "", 200, "{}")
	if replaced := fake.AddWebhook(umnicotest.Webhook{ID: 30502, URL: "x"}); replaced.ID != 30502 || fake.Webhooks()[0].URL != "x" || len(fake.Webhooks()) != 9 {
		t.Errorf("a webhook was not replaced: %+v", fake.Webhooks())
	}
}
