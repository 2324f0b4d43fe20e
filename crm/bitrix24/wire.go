package bitrix24

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/statuslink/statuslink/crm/crmhttp"
)

// wireStatus is a row of crm.status.list
// (https://apidocs.bitrix24.com/api-reference/crm/status/crm-status-list.html).
// Numbers come as texts in some methods and as numbers in others, so fields are
// decoded leniently, and all but the two codes may be missing.
type wireStatus struct {
	ID        crmhttp.ID   `json:"ID"` // the row's; the status's own is STATUS_ID
	Directory crmhttp.ID   `json:"ENTITY_ID"`
	StatusID  crmhttp.ID   `json:"STATUS_ID"`
	Name      crmhttp.Text `json:"NAME"`
	Sort      crmhttp.Int  `json:"SORT"`
	System    crmhttp.Text `json:"SYSTEM"`
	Color     crmhttp.Text `json:"COLOR"`
	Semantics crmhttp.Text `json:"SEMANTICS"`
}

// wireDirectory is a row of crm.status.entity.types
// (https://apidocs.bitrix24.com/api-reference/crm/status/crm-status-entity-types.html).
// Only lists of stages have the last two fields; SEMANTIC_INFO is an object or an
// empty array. The pipeline's ID stands in CATEGORY_ID, for some as a text and for
// others as a number; the directory's own ID has it too.
type wireDirectory struct {
	ID            crmhttp.ID      `json:"ID"`
	Name          crmhttp.Text    `json:"NAME"`
	EntityType    crmhttp.Int     `json:"ENTITY_TYPE_ID"`
	SemanticsInfo json.RawMessage `json:"SEMANTIC_INFO"`
}

// wireCategories is the result of crm.category.list
// (https://apidocs.bitrix24.com/api-reference/crm/universal/category/crm-category-list.html).
type wireCategories struct {
	Categories []wireCategory `json:"categories"`
}

// wireCategory is a pipeline; that of the deals' main one has the ID 0.
type wireCategory struct {
	ID   crmhttp.ID   `json:"id"`
	Name crmhttp.Text `json:"name"`
	Sort crmhttp.Int  `json:"sort"`
}

// wireError is what an error says, in an answer and in a batch
// (https://apidocs.bitrix24.com/api-reference/error-codes.html). A batch's
// command has failed if its key stands among the errors, whatever the code.
type wireError struct {
	Code wireCode     `json:"error"`
	Text crmhttp.Text `json:"error_description"`
}

// wireCode is an error's code: a text that may be empty, or a number; in REST
// 3.0 an object. Present tells whether there was one at all.
type wireCode struct {
	Value   string
	Text    string // REST 3.0 has it inside the object
	Present bool
}

// UnmarshalJSON decodes all forms, and null as none.
func (c *wireCode) UnmarshalJSON(data []byte) error {
	*c = wireCode{Present: string(data) != "null"}
	if len(data) > 0 && data[0] == '{' {
		var object struct {
			Code    crmhttp.Text `json:"code"`
			Message crmhttp.Text `json:"message"`
		}
		err := json.Unmarshal(data, &object)
		c.Value, c.Text = string(object.Code), string(object.Message)
		return err
	}
	var text crmhttp.Text
	err := text.UnmarshalJSON(data)
	c.Value = string(text)
	return err
}

// wireBatch is the answer of batch; T has a field, or an entry, for the result
// of each command (https://apidocs.bitrix24.com/api-reference/how-to-call-rest-api/batch.html).
type wireBatch[T any] struct {
	Result struct {
		Results T                    `json:"result"`
		Errors  section[wireError]   `json:"result_error"`
		Totals  section[crmhttp.Int] `json:"result_total"`
		Next    section[crmhttp.Int] `json:"result_next"`
	} `json:"result"`
	wireError
}

// section is a part of a batch's answer by the keys of the commands. PHP writes
// a map as [] where it is empty, and as an array where the keys are 0 to n-1.
type section[V any] map[string]V

// UnmarshalJSON decodes an object or an array.
func (s *section[V]) UnmarshalJSON(data []byte) error {
	*s = nil
	if !bytes.HasPrefix(data, []byte("[")) {
		return json.Unmarshal(data, (*map[string]V)(s))
	}
	var list []V
	if err := json.Unmarshal(data, &list); err != nil || len(list) == 0 {
		return err
	}
	*s = make(section[V], len(list))
	for i, value := range list {
		(*s)[strconv.Itoa(i)] = value
	}
	return nil
}

// anything decodes whatever comes, and keeps nothing of it.
type anything struct{}

// UnmarshalJSON keeps nothing.
func (*anything) UnmarshalJSON([]byte) error { return nil }
