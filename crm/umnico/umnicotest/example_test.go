package umnicotest_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http"

	"github.com/statuslink/statuslink/crm/crmfault"
	"github.com/statuslink/statuslink/crm/umnico/umnicotest"
)

func Example() {
	server := umnicotest.NewServer()
	defer server.Close()
	server.SetStatuses()
	server.Add("Новый")
	server.Fail(1, crmfault.Answer(http.StatusInternalServerError, "Internal Server Error"))

	for range 2 {
		request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server.URL+umnicotest.PathStatuses, nil)
		if err != nil {
			log.Fatal(err) //nolint:gocritic // an example ends with its process
		}
		request.Header.Set("Authorization", "bearer "+server.Token())
		response, err := server.HTTPClient().Do(request)
		if err != nil {
			log.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			log.Fatal(err)
		}
		_ = response.Body.Close()
		fmt.Printf("%d %s\n", response.StatusCode, body)
	}
	fmt.Println(server.Requests(umnicotest.PathStatuses), "requests")

	// Output:
	// 500 Internal Server Error
	// 200 [{"id":710246,"type":"example_in_work","name":"Новый","order":1,"color":"#828282"}]
	//
	// 2 requests
}
