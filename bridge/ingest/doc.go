// Package ingest is the way in: one HTTP endpoint that a chat provider calls
// for every group message. A request passes five steps, each a call in
// receive.go: find the door (path, method, announced size), authenticate
// (app, signature), choose by command, read the body, append to the store.
// Then it is answered.
//
// # Promise
//
// No 200 for a callback that is to be kept, and no 400 for an authentic one
// that cannot be understood, leaves before Store.Append has returned without
// an error (P1, P6). The answer waits for the store and for nothing else (P2).
// A refused request costs no disk: nothing reaches the store before the
// signature was checked (P7).
//
// # The endpoint, in the order of the checks
//
//	case                                        status  outcome
//	another path                                404     not-found
//	not POST                                    405     bad-method
//	announced size over the limit               413     too-large
//	empty body and no command (URL check)       200     url-check
//	SdkAppid missing, not a number, not ours    403     unknown-app
//	Sign or RequestTime missing                 401     signature-missing
//	Sign not that of a token                    401     signature-wrong
//	RequestTime more than 60 s off              401     signature-stale
//	another command, not kept                   200     ignored
//	Content-Encoding other than identity        415     encoding
//	too many requests at once, or bytes of them 503     overloaded
//	body slower than the time allowed           408     timeout
//	body longer than the limit (chunked)        413     too-large
//	body ends early                             400     cut-off
//	empty body with the command                 400     empty-body
//	body not understood; stored                 400     unreadable
//	another command, kept; stored               200     callback-stored
//	Group.CallbackAfterSendMsg; stored          200     stored
//	store full, poisoned, closing, broken       503     full, poisoned, closing, store-failed
//	a panic                                     500     panic
//
// A request with a body and no command at all is taken for the command it can
// only be, Group.CallbackAfterSendMsg: schema.Check decides whether it is
// readable, and what is not readable is stored too.
//
// Every answer is JSON with the three fields ActionStatus, ErrorInfo and
// ErrorCode (the table is in respond.go), also those that net/http writes by
// itself before any handler runs (400, 417, 431, 501, 505): conn.go replaces
// them on the wire. An answer to HEAD has no body, as HTTP demands.
//
// # Invariants
//
//   - The store's Append is called at most once for a request, or, while a
//     request is held, once more each time the store says that it can store again.
//   - Memory is bounded: connections (Config.MaxConnections), requests between
//     authentication and answer (MaxRequests), bytes of their bodies (MaxMemory),
//     requests held (MaxHeld). What is over a limit is refused at once, except a
//     connection, which waits, or takes the place of one that sends nothing.
//   - A Tracer (trace.go) is told of callbacks that are kept, and of no other
//     request; the answer does not wait for it. Without one a record has nothing
//     but the request's own query and body.
//   - The configured path, tokens and bodies are in no log line and no answer.
//   - A chunked request is answered with Connection: close. net/http hides
//     whether such a request had a Content-Length too, and after that shape of
//     request smuggling a connection must not be used again (RFC 9112, 6.1).
//
// # Stopping
//
// Drain stops accepting, closes connections without a request, and waits until
// each request in flight has its true answer; requests held for a full store are
// told 503 at once. Close ends what is left. After a crash nothing is to be
// recovered here: the package keeps no state.
//
// # Goroutines
//
// Serve runs in its caller's goroutine; net/http starts one a connection, which
// ends with it. The package starts none of its own.
package ingest
