// Package statuslink keeps a bot's statuses, the stages of processing that its
// clients are in, and synchronises them with the status lists of CRMs.
//
// The company keeps the same clients in a CRM whose list people there rename,
// reorder and delete at will. Each status of the bot is linked to the CRM's by
// external ID, so that none of this breaks the bot's code, which branches on a
// [Status]'s Key:
//
//	catalog, err := statuslink.NewCatalog(new(memstore.Store), nil)
//	...
//	err = catalog.Ensure(ctx,
//		statuslink.Definition{Key: "first-contact", Name: "First contact"},
//		statuslink.Definition{Key: "paid", Name: "Paid"},
//	)
//	...
//	syncer, err := statuslink.NewSyncer(catalog, nil, client)
//	...
//	plan, err := syncer.Plan(ctx) // reads the CRM, changes nothing
//	...
//	fmt.Print(plan)
//	report, err := syncer.Apply(ctx, plan)
//
// # Statuses
//
// A [Catalog] is the list for people and for the bot's code: it creates, edits,
// reorders and looks up statuses, and removes one in two steps, as deleting is
// confirmed. It keeps them in a [Store]: one in memory is in package memstore,
// and a Store of your own is load, [Snapshot.With], compare and set, with
// package storetest to test it.
//
// # Synchronising
//
// A [Syncer] reads the lists through a [crm.Client] for each connected account,
// the source, and makes a [Plan]: a pure function of the statuses, the lists and
// the [Policy]. The plan is shown, and applied or dropped. [Syncer.Apply] takes
// the plan itself, [Syncer.Confirm] the text that a web page kept of it, and
// [Syncer.Sync] does both steps for schedules.
//
// Fields are merged in three ways: each [Link] keeps as its Base what the CRM
// said when a plan was last applied. What the CRM changed and the bot did not is
// taken over; what both changed is a conflict, which the Policy decides and the
// plan reports. Only the first link that is not missing, the leader, reaches the
// fields of its status. The sequence of the statuses that a scope leads is
// merged in the same way, as a whole.
//
// # Leads
//
// [Leads] speaks of single leads in the bot's words: [Leads.Read] says in which
// status one is, [Leads.Set] and [Leads.SetMany] put leads into a status by its Key,
// in each lead's own pipeline, and [Leads.Follow] tells the bot what people, and
// rules, do with them in the CRM. What was missed meanwhile, [Leads.CatchUp] and
// [Leads.Reconcile] find.
//
// # Promises
//
// These stand above every rule:
//
//   - A synchronisation never removes a status and never cuts a link. What is
//     gone from the CRM is marked missing.
//   - Nothing is concluded from a list that may be incomplete. A source that
//     fails, or whose list cannot be believed, is left alone, and the others go
//     on. A scope that loses more than a few of its links at once is held, whole,
//     until a person releases it with [Plan.Release].
//   - No field edited in the bot is lost, unless the policy is [CRMWins], and
//     then it is reported. A sequence arranged by hand changes only when the CRM
//     moved something in that scope. A decision made by hand is never undone:
//     what a person unlinked, removed or ignored stays so.
//   - Planning again on the same lists, right after applying, gives an empty
//     plan: what one run refused to do, the next does not do either.
//   - Connecting two CRMs together gives the same as one after the other.
//
// # Concurrency, time and identity
//
// Everything here is safe for concurrent use, also by several engines over one
// store: a change is made on the version that it was decided on or refused with
// [ErrStale]. No goroutine outlives the call that started it. IDs and times come
// from [Options], so that tests can make them exact.
//
// # Errors
//
// [errors.Is] tells the kind and [errors.As] the detail: [*Error], [*StaleError]
// and, for what a CRM said, [*crm.Error]. No error holds a secret.
package statuslink
