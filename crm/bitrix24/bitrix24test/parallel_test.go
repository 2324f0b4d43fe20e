package bitrix24test_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/statuslink/statuslink/crm/bitrix24/bitrix24test"
)

func TestItemsAreSafeForConcurrentUse(t *testing.T) {
	t.Parallel()
	p := bitrix24test.New()
	p.SetRateLimit(1, 1_000_000)
	p.AddItems(50, bitrix24test.Item{TypeID: 1, Stage: "NEW"})
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			for i := range 20 {
				id := 1 + (i+worker)%50
				if status, body := call(p, "batch", batchOf(50, junk)); status != http.StatusOK {
					t.Errorf("%d %s", status, body)
				}
				if err := p.MoveItem(1, id, 0, "NEW"); err != nil {
					t.Error(err)
				}
				p.AddItems(3, bitrix24test.Item{TypeID: 1})
				if _, found := p.Item(1, id); !found {
					t.Errorf("no lead %d", id)
				}
				if status, body := call(p, "crm.item.list", fmt.Sprintf(`{"entityTypeId": 1, "filter": {">id": %d}}`, id)); status != http.StatusOK {
					t.Errorf("%d %s", status, body)
				}
				p.RateLimited()
				p.MaxConcurrent()
				p.SetLatency(0, 0)
			}
		})
	}
	group.Wait()
	if got := len(p.Items(1)); got != 50+4*20*3 || p.Calls("crm.item.update") != 4*20*50 {
		t.Errorf("%d leads, %d updates", got, p.Calls("crm.item.update"))
	}
}
