package bitrix24_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jarcoal/httpmock"

	"github.com/statuslink/statuslink/crm"
	"github.com/statuslink/statuslink/crm/bitrix24"
)

func TestGoldenErrors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		file     string
		statuses []int // documented, and seen
		kind     error
		code     string
		says     string
	}{
		{"error_query_limit.json", []int{503, 401}, crm.ErrRateLimited, "QUERY_LIMIT_EXCEEDED", "Too many requests"},
		{"error_operation_time_limit.json", []int{429}, crm.ErrRateLimited, "OPERATION_TIME_LIMIT", "some minutes"},
		{"error_overload.json", []int{503, 401}, crm.ErrForbidden, "OVERLOAD_LIMIT", "support"},
		{"error_internal.json", []int{500}, crm.ErrUnavailable, "INTERNAL_SERVER_ERROR", ""},
		{"error_unexpected_answer.json", []int{500}, crm.ErrUnavailable, "ERROR_UNEXPECTED_ANSWER", ""},
		{"error_expired_token.json", []int{401}, crm.ErrUnauthorized, "expired_token", ""},
		{"error_invalid_token.json", []int{401}, crm.ErrUnauthorized, "invalid_token", ""},
		{"error_no_auth.json", []int{401}, crm.ErrUnauthorized, "NO_AUTH_FOUND", "make a new one"},
		{"error_invalid_credentials.json", []int{401, 403}, crm.ErrUnauthorized, "INVALID_CREDENTIALS", "make a new one"},
		{"error_insufficient_scope.json", []int{401, 403}, crm.ErrForbidden, "insufficient_scope", `the scope "crm"`},
		{"error_user_access.json", []int{401, 403}, crm.ErrForbidden, "user_access_error", ""},
		{"error_access_denied.json", []int{400, 403, 401}, crm.ErrForbidden, "ACCESS_DENIED", "lacks a right"},
		{"error_access_denied_legacy.json", []int{400}, crm.ErrForbidden, "", "Access denied."},
		{"error_rest_plan.json", []int{403, 401}, crm.ErrForbidden, "ACCESS_DENIED", "commercial plans"},
		{"error_https_required.json", []int{400}, crm.ErrRejected, "INVALID_REQUEST", "Https required."},
		{"error_portal_deleted.json", []int{500, 403, 410}, crm.ErrUnauthorized, "PORTAL_DELETED", "gone"},
		{"error_method_not_found.json", []int{404}, crm.ErrForbidden, "ERROR_METHOD_NOT_FOUND", `the scope "crm"`},
		{"error_wrong_auth_type.json", []int{403}, crm.ErrForbidden, "WRONG_AUTH_TYPE", "application"},
		{"error_not_found.json", []int{400}, crm.ErrNotFound, "NOT_FOUND", "Element not found"},
		{"error_not_found_spa.json", []int{400}, crm.ErrNotFound, "NOT_FOUND", "Smart process not found"},
		{"error_not_found_legacy.json", []int{400}, crm.ErrNotFound, "", "Not found"},
		{"error_id_invalid_legacy.json", []int{400}, crm.ErrRejected, "", "ID is not defined or invalid."},
		{"error_field_value_not_valid.json", []int{400}, crm.ErrRejected, "CRM_FIELD_ERROR_VALUE_NOT_VALID", `"Stage"`},
		{"error_field_required.json", []int{400}, crm.ErrRejected, "CRM_FIELD_ERROR_REQUIRED", `"Amount"`},
		{"error_numeric_code.json", []int{400}, crm.ErrRejected, "0", "SHIPMENT_DOCUMENT"},
		{"error_stage_permission.json", []int{400}, crm.ErrRejected, "0", "permission to move"},
		{"error_entity_type_not_supported.json", []int{400}, crm.ErrRejected, "ENTITY_TYPE_NOT_SUPPORTED", `"Lead"`},
		{"error_status_not_found.json", []int{400}, crm.ErrNotFound, "", "Status is not found."},
		{"error_status_not_found_doc_style.json", []int{400}, crm.ErrNotFound, "", "Status is not found. Directory item not found."},
		{"error_status_required.json", []int{400}, crm.ErrRejected, "", "The field STATUS_ID is required."},
		{"error_status_entity_type.json", []int{400}, crm.ErrRejected, "", "Specified entity type is not supported."},
		{"error_status_duplicate.json", []int{400}, crm.ErrRejected, "ERROR_CORE", "already exists"},
		{"error_status_too_long.json", []int{400}, crm.ErrRejected, "ERROR_CORE", "Превышена длина"},
		{"error_status_system_delete.json", []int{400}, crm.ErrRejected, "", "FORCED"},
		{"error_status_in_use.json", []int{400}, crm.ErrRejected, "", "active items"},
		{"error_status_filter_array.json", []int{400}, crm.ErrRejected, "", "must be a string"},
		{"error_wrong_encoding.json", []int{200}, crm.ErrRejected, "WRONG_ENCODING", "encoding"},
		{"error_event_not_found.json", []int{400}, crm.ErrRejected, "ERROR_EVENT_NOT_FOUND", "Event not found"},
		{"error_event_already_bound.json", []int{400}, crm.ErrRejected, "ERROR_CORE", "already binded"},
		{"error_v3.json", []int{400}, crm.ErrNotFound, "BITRIX_REST_V3_EXCEPTION_ENTITYNOTFOUNDEXCEPTION", "Entity 4521"},
		{"error_v3_validation.json", []int{400}, crm.ErrRejected, "BITRIX_REST_V3_EXCEPTION_VALIDATION_REQUESTVALIDATIONEXCEPTION", "Request validation failed"},
		{"error_html_502.html", []int{502, 503, 504}, crm.ErrUnavailable, "", ""},
		{"error_empty_body.txt", []int{500, 502, 504}, crm.ErrUnavailable, "", ""},
		{"error_empty_body.txt", []int{403}, crm.ErrForbidden, "", ""},
		{"error_empty_body.txt", []int{401}, crm.ErrUnauthorized, "", "make a new one"},
	}
	for _, test := range tests {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			for _, status := range test.statuses {
				_, err := mocked(t, httpmock.NewStringResponder(status, golden(t, test.file))).ListStatuses(t.Context())
				e := detail(t, err, test.kind)
				if e.Status != status || e.Code != test.code {
					t.Errorf("HTTP %d: status %d and code %q, want code %q", status, e.Status, e.Code, test.code)
				}
				if !strings.Contains(e.Message, test.says) {
					t.Errorf("HTTP %d: error = %v, want it to say %q", status, err, test.says)
				}
				if strings.Contains(err.Error(), "nginx") {
					t.Errorf("HTTP %d: the error shows a page of HTML: %v", status, err)
				}
			}
		})
	}
}

func TestErrorsInOtherForms(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, body string
		status     int
		kind       error
		code       string
	}{
		{"code in the other case", `{"error":"Query_Limit_Exceeded"}`, 503, crm.ErrRateLimited, "Query_Limit_Exceeded"},
		{"code in capitals", `{"error":"EXPIRED_TOKEN"}`, 401, crm.ErrUnauthorized, "EXPIRED_TOKEN"},
		{"number", `{"error":100,"error_description":"x"}`, 400, crm.ErrRejected, "100"},
		{"unknown code keeps the kind of the status", `{"error":"NEW_CODE"}`, 429, crm.ErrRateLimited, "NEW_CODE"},
		{"no code at all", `{"error":null}`, 400, crm.ErrRejected, ""},
		{"no text", `{"error":""}`, 400, crm.ErrRejected, ""},
		{"with HTTP 200, behind a result", `{"result":[],"error":"ACCESS_DENIED"}`, 200, crm.ErrForbidden, "ACCESS_DENIED"},
		{"with HTTP 200, wrong client", `{"error":"wrong_client"}`, 200, crm.ErrUnauthorized, "wrong_client"},
		{"with HTTP 200, rate limit", `{"error":"QUERY_LIMIT_EXCEEDED"}`, 200, crm.ErrRateLimited, "QUERY_LIMIT_EXCEEDED"},
		{"with HTTP 200, an empty code", `{"error":""}`, 200, crm.ErrRejected, ""},
		{"with HTTP 200, cut", `{"error":"ACCESS`, 200, crm.ErrBadResponse, ""},
		{"an array", `[1]`, 400, crm.ErrRejected, ""},
		{"redirect", "", 302, crm.ErrBadResponse, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := mocked(t, httpmock.NewStringResponder(test.status, test.body)).ListStatuses(t.Context())
			if e := detail(t, err, test.kind); e.Code != test.code {
				t.Errorf("code %q, want %q", e.Code, test.code)
			}
		})
	}
}

// A renamed portal answers with its new host; it is named, and not asked.
func TestRenamedPortalIsNamed(t *testing.T) {
	t.Parallel()
	_, err := mocked(t, func(*http.Request) (*http.Response, error) {
		response := httpmock.NewStringResponse(302, "")
		response.Header.Set("Location", "https://new.example.com/rest/17/"+secret+"/batch")
		return response, nil
	}).ListStatuses(t.Context())
	e := detail(t, err, crm.ErrBadResponse)
	if !strings.Contains(e.Message, "renamed") || !strings.Contains(e.Message, "new.example.com") || strings.Contains(e.Message, secret) {
		t.Errorf("error = %v", err)
	}
}

// What is asked again, and what is not.
func TestRetries(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		file   string
		status int
		again  bool
	}{
		{"error_query_limit.json", 503, true},
		{"error_internal.json", 500, true},
		{"error_html_502.html", 502, true},
		{"error_overload.json", 503, false},
		{"error_operation_time_limit.json", 429, false},
		{"error_invalid_credentials.json", 401, false},
		{"error_access_denied.json", 403, false},
		{"error_status_filter_array.json", 400, false},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				requests := 0
				mock := httpmock.NewMockTransport()
				mock.RegisterResponder(http.MethodPost, batchURL, func(*http.Request) (*http.Response, error) {
					if requests++; requests == 1 {
						return httpmock.NewStringResponse(test.status, golden(t, test.file)), nil
					}
					return httpmock.NewStringResponse(200, batched(t, leads)), nil
				})
				start := time.Now()
				_, err := mustNew(t, &bitrix24.Options{HTTPClient: &http.Client{Transport: mock}}).ListStatuses(t.Context())
				if again := requests == 2; again != test.again || (err == nil) != test.again {
					t.Errorf("%d requests, error %v; want it asked again: %v", requests, err, test.again)
				}
				if took := time.Since(start); took > 5*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}
