package bitrix24

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/statuslink/statuslink/crm/crmhttp"
)

// wireStatus is a row of crm.status.list
// (https://apidocs.bitrix24.com/api-reference/crm/status/crm-status-list.html).
// Numbers come as texts in some methods and as numbers in others, so fields are
// decoded leniently, and all but the two codes may be missing.
type wireStatus struct {
	ID        crmhttp.ID // the row's; the status's own is STATUS_ID
	Directory crmhttp.ID // ENTITY_ID
	StatusID  crmhttp.ID
	Name      crmhttp.Text
	Sort      crmhttp.Int
	System    crmhttp.Text
	Color     crmhttp.Text
	Semantics crmhttp.Text
}

// read reads an object. It does what encoding/json would do, in a third of the
// time: a portal may have thousands of rows.
func (s *wireStatus) read(cursor *crmhttp.Cursor) error {
	if cursor.Kind() != '{' {
		return errors.New("a status that is no object")
	}
	for name := range cursor.Members() {
		var field json.Unmarshaler
		switch string(name) {
		case "ID":
			field = &s.ID
		case "ENTITY_ID":
			field = &s.Directory
		case "STATUS_ID":
			field = &s.StatusID
		case "NAME":
			field = &s.Name
		case "SORT":
			field = &s.Sort
		case "SYSTEM":
			field = &s.System
		case "COLOR":
			field = &s.Color
		case "SEMANTICS":
			field = &s.Semantics
		default:
			continue
		}
		if err := field.UnmarshalJSON(cursor.Value()); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// wireDirectory is a row of crm.status.entity.types
// (https://apidocs.bitrix24.com/api-reference/crm/status/crm-status-entity-types.html).
// The pipeline's ID stands in CATEGORY_ID, for some as a text and for others as a
// number; the directory's own ID has it too.
type wireDirectory struct {
	ID   crmhttp.ID
	Name crmhttp.Text
	// Stages is set for a list of stages, which alone has ENTITY_TYPE_ID or
	// SEMANTIC_INFO.
	Stages bool
}

func (d *wireDirectory) read(cursor *crmhttp.Cursor) (err error) {
	if cursor.Kind() != '{' {
		return errors.New("a directory that is no object")
	}
	for name := range cursor.Members() {
		switch string(name) {
		case "ID":
			err = d.ID.UnmarshalJSON(cursor.Value())
		case "NAME":
			err = d.Name.UnmarshalJSON(cursor.Value())
		case "ENTITY_TYPE_ID", "SEMANTIC_INFO":
			d.Stages = true
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// readRows reads an array of what read reads.
func readRows[T any](cursor *crmhttp.Cursor, rows *[]T, read func(*T, *crmhttp.Cursor) error) error {
	if cursor.Kind() != '[' {
		return errors.New("no list")
	}
	for i := range cursor.Elements() {
		var none T
		*rows = append(*rows, none)
		if err := read(&(*rows)[i], cursor); err != nil {
			return fmt.Errorf("row %d: %w", i+1, err)
		}
	}
	return nil
}

// wireCategory is a pipeline; that of the deals' main one has the ID 0.
type wireCategory struct {
	ID   crmhttp.ID   `json:"id"`
	Name crmhttp.Text `json:"name"`
	Sort crmhttp.Int  `json:"sort"`
}

// wireCategories is the result of crm.category.list
// (https://apidocs.bitrix24.com/api-reference/crm/universal/category/crm-category-list.html).
type wireCategories struct {
	Categories []wireCategory `json:"categories"`
}

func (c *wireCategories) read(cursor *crmhttp.Cursor) error {
	if cursor.Kind() != '{' {
		return errors.New("no list of pipelines")
	}
	return json.Unmarshal(cursor.Value(), c)
}

// wireError is what an error says, in an answer and in a batch
// (https://apidocs.bitrix24.com/error-codes.html). A batch's
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
