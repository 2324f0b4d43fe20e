package bitrix24test

// DefaultStatuses returns the rows of a new portal, in the order in which
// crm.status.list gives them: 66 rows of 16 directories, with names in two
// languages, the code "NEW" in several directories, codes that look like
// numbers, a color in small letters, further failure stages, and stages added by
// people, which carry the Semantics "P" and in the leads' directory the Category
// "0". The leads' statuses ("STATUS") are
//
//	NEW         Новый
//	IN_PROCESS  В работе
//	PROCESSED   Обработан
//	UC_7TQ2KD   Диалог с оператором & бот на паузе
//	1           Повторный контакт
//	CONVERTED   Качественный лид    won
//	JUNK        Некачественный лид  lost
//	UC_R0B0T5   Спам                lost
//
// and the stages of pipeline 5 ("DEAL_STAGE_5")
//
//	C5:NEW          First contact
//	C5:PREPARATION  Qualification
//	C5:UC_K3M9XZ    Demo booked
//	C5:WON          Subscription paid  won
//	C5:LOSE         Refused            lost
//	C5:UC_9PLQ0A    Duplicate          lost
func DefaultStatuses() []Status {
	return []Status{
		{1, "STATUS", "NEW", "Новый", "Новый", 10, true, "", "#39A8EF", ""},
		{41, "QUOTE_STATUS", "DRAFT", "Draft", "Draft", 10, true, "", "#39A8EF", ""},
		{101, "DEAL_STAGE", "NEW", "New request", "New", 10, true, "", "#39A8EF", ""},
		{141, "DEAL_STAGE_2", "C2:NEW", "Новая", "Новая", 10, true, "2", "#39A8EF", ""},
		{161, "DEAL_STAGE_5", "C5:NEW", "First contact", "New", 10, true, "5", "#39A8EF", ""},
		{181, "SMART_INVOICE_STAGE_3", "DT31_3:N", "New invoice", "New invoice", 10, true, "3", "#39A8EF", ""},
		{221, "DYNAMIC_177_STAGE_7", "DT177_7:NEW", "Start", "Start", 10, true, "7", "#22B9FF", ""},
		{241, "DYNAMIC_177_STAGE_9", "DT177_9:NEW", "Queued", "Queued", 10, true, "9", "#22B9FF", ""},
		{301, "SOURCE", "CALL", "Phone call", "Call", 10, true, "", "", ""},
		{321, "DEAL_TYPE", "SALE", "Sale", "Sale", 10, true, "", "", ""},
		{331, "CONTACT_TYPE", "CLIENT", "Client", "", 10, false, "", "", ""},
		{341, "COMPANY_TYPE", "CUSTOMER", "Customer", "", 10, false, "", "", ""},
		{351, "EMPLOYEES", "EMPLOYEES_1", "under 50", "", 10, false, "", "", ""},
		{361, "INDUSTRY", "IT", "IT", "", 10, false, "", "", ""},
		{371, "HONORIFIC", "HNR_RU_1", "г-н", "", 10, false, "", "", ""},
		{381, "CALL_LIST", "IN_WORK", "In progress", "In progress", 10, true, "", "", ""},
		{3, "STATUS", "IN_PROCESS", "В работе", "", 20, false, "", "#2FC6F6", ""},
		{43, "QUOTE_STATUS", "SENT", "Sent to client", "", 20, false, "", "#2FC6F6", ""},
		{103, "DEAL_STAGE", "PREPARATION", "Preparing papers", "", 20, false, "", "#2FC6F6", ""},
		{143, "DEAL_STAGE_2", "C2:1", "Замер назначен", "", 20, false, "2", "#2FC6F6", ""},
		{163, "DEAL_STAGE_5", "C5:PREPARATION", "Qualification", "", 20, false, "5", "#2FC6F6", ""},
		{183, "SMART_INVOICE_STAGE_3", "DT31_3:S", "Sent", "", 20, false, "3", "#2FC6F6", ""},
		{223, "DYNAMIC_177_STAGE_7", "DT177_7:PREPARATION", "Preparing", "", 20, false, "7", "#88B9FF", ""},
		{243, "DYNAMIC_177_STAGE_9", "DT177_9:PREPARATION", "Picked", "", 20, false, "9", "#88B9FF", ""},
		{303, "SOURCE", "EMAIL", "E-mail", "", 20, false, "", "", ""},
		{323, "DEAL_TYPE", "SERVICE", "Service", "", 20, false, "", "", ""},
		{333, "CONTACT_TYPE", "PARTNER", "Partner", "", 20, false, "", "", ""},
		{343, "COMPANY_TYPE", "SUPPLIER", "Supplier", "", 20, false, "", "", ""},
		{353, "EMPLOYEES", "EMPLOYEES_2", "50-250", "", 20, false, "", "", ""},
		{363, "INDUSTRY", "OTHER", "Other", "", 20, false, "", "", ""},
		{373, "HONORIFIC", "HNR_RU_2", "г-жа", "", 20, false, "", "", ""},
		{383, "CALL_LIST", "SUCCESS", "Success", "Success", 20, true, "", "", ""},
		{5, "STATUS", "PROCESSED", "Обработан", "", 30, false, "", "#55D0E0", ""},
		{45, "QUOTE_STATUS", "APPROVED", "Accepted", "Accepted", 30, true, "", "#7BD500", "S"},
		{105, "DEAL_STAGE", "PREPAYMENT_INVOICE", "Waiting for prepayment", "", 30, false, "", "#55D0E0", ""},
		{145, "DEAL_STAGE_2", "C2:PREPAYMENT_INVOICE", "Ждём аванс", "", 30, false, "2", "#55d0e0", ""},
		{165, "DEAL_STAGE_5", "C5:UC_K3M9XZ", "Demo booked", "", 30, false, "5", "#47E4C2", "P"},
		{185, "SMART_INVOICE_STAGE_3", "DT31_3:P", "Paid", "Paid", 30, true, "3", "#7BD500", "S"},
		{225, "DYNAMIC_177_STAGE_7", "DT177_7:CLIENT", "With client", "", 30, false, "7", "#10E5FC", ""},
		{245, "DYNAMIC_177_STAGE_9", "DT177_9:CLIENT", "Shipped", "", 30, false, "9", "#10E5FC", ""},
		{305, "SOURCE", "WEB", "Web site", "", 30, false, "", "", ""},
		{211, "STATUS", "UC_7TQ2KD", "Диалог с оператором & бот на паузе", "", 35, false, "0", "#FFA900", "P"},
		{209, "STATUS", "1", "Повторный контакт", "", 37, false, "", "#FFA900", ""},
		{7, "STATUS", "CONVERTED", "Качественный лид", "Качественный лид", 40, true, "", "#7BD500", "S"},
		{47, "QUOTE_STATUS", "DECLAINED", "Declined", "Declined", 40, true, "", "#FF5752", "F"},
		{107, "DEAL_STAGE", "EXECUTING", "In production", "", 40, false, "", "#47E4C2", ""},
		{147, "DEAL_STAGE_2", "C2:WON", "Сделка успешна", "Сделка успешна", 40, true, "2", "#7BD500", "S"},
		{167, "DEAL_STAGE_5", "C5:WON", "Subscription paid", "Deal won", 40, true, "5", "#7BD500", "S"},
		{187, "SMART_INVOICE_STAGE_3", "DT31_3:D", "Not paid", "Not paid", 40, true, "3", "#FF5752", "F"},
		{227, "DYNAMIC_177_STAGE_7", "DT177_7:SUCCESS", "Success", "Success", 40, true, "7", "#00FF00", "S"},
		{247, "DYNAMIC_177_STAGE_9", "DT177_9:SUCCESS", "Received", "Received", 40, true, "9", "#00FF00", "S"},
		{307, "SOURCE", "5|OPENLINE", "Open line: shop bot", "", 40, false, "", "", ""},
		{9, "STATUS", "JUNK", "Некачественный лид", "Некачественный лид", 50, true, "", "#FF5752", "F"},
		{49, "QUOTE_STATUS", "APOLOGY", "Reason analysis", "", 50, false, "", "#FF5752", "F"},
		{109, "DEAL_STAGE", "FINAL_INVOICE", "Final invoice sent", "", 50, false, "", "#FFA900", ""},
		{149, "DEAL_STAGE_2", "C2:LOSE", "Сделка провалена", "Сделка провалена", 50, true, "2", "#FF5752", "F"},
		{169, "DEAL_STAGE_5", "C5:LOSE", "Refused", "Deal lost", 50, true, "5", "#FF5752", "F"},
		{229, "DYNAMIC_177_STAGE_7", "DT177_7:FAIL", "Failure", "Failure", 50, true, "7", "#FF0000", "F"},
		{249, "DYNAMIC_177_STAGE_9", "DT177_9:FAIL", "Returned", "Returned", 50, true, "9", "#FF0000", "F"},
		{309, "SOURCE", "1", "Exhibition 2025", "", 50, false, "", "", ""},
		{111, "DEAL_STAGE", "WON", "Delivered", "Deal won", 60, true, "", "#7BD500", "S"},
		{171, "DEAL_STAGE_5", "C5:UC_9PLQ0A", "Duplicate", "", 60, false, "5", "#FF5752", "F"},
		{213, "STATUS", "UC_R0B0T5", "Спам", "", 60, false, "0", "#FF5752", "F"},
		{311, "SOURCE", "OTHER", "Other", "", 60, false, "", "", ""},
		{113, "DEAL_STAGE", "LOSE", "Lost", "Deal lost", 70, true, "", "#FF5752", "F"},
		{115, "DEAL_STAGE", "APOLOGY", "Find out why", "", 80, false, "", "#FF5752", "F"},
	}
}
