/* SPDX-License-Identifier: Apache-2.0 */
/* libtally: gets the number of waiting DynamoDB items from the tally agent over a Unix socket.
 *
 *     struct tally *tally;
 *     int64_t count;
 *     int r = tally_open(&tally, NULL);
 *     if (r == 0)
 *         r = tally_count(tally, "orders", &count);
 *     if (r < 0)
 *         fprintf(stderr, "%s: %s\n", tally_error_name(r), tally_error_message(tally));
 *     tally_close(tally);
 *
 * Results. Every `int` function returns 0 or a negative number of `enum tally_error`, unless
 * its comment says otherwise. An error is never a count: output arguments are written on
 * success only. Numbers are never reused, and a newer agent may return one that this
 * header does not know: treat any negative number as a failure.
 *
 * Deadlines. Every call has one total deadline on the monotonic clock: connecting, sending,
 * waiting and receiving together, 5 seconds unless tally_set_timeout says otherwise. There
 * is no way to wait for ever.
 *
 * Connections. Opening a handle does not connect; the first call does. A handle that has
 * reached its agent once reconnects by itself inside the deadline of a call, and sends the
 * request again: the program does not notice an agent restart. (Every method of
 * protocol version 1 may be sent twice.) A handle that has never reached an agent fails
 * at once, unless tally_set_wait_for_agent was called. Answers that arrive after their
 * deadline are ignored.
 *
 * Threads. The library has no global state. Any number of handles may be used in any number
 * of threads, each handle in one thread at a time. It starts no thread, installs no signal
 * handler and raises no SIGPIPE; its descriptors are closed by exec.
 *
 * Fork. A child may keep using a blocking handle: it gets its own connection, and the
 * parent's is not affected. On an event handle a child may only call tally_async_close.
 *
 * Ownership. Strings and bytes that go in are copied. Pointers that come out are borrowed,
 * and each function says until when. What was opened or created is closed or freed by the
 * caller, never by the library; closing NULL does nothing.
 *
 * Sockets. A path may be as long as the file system allows, far beyond the 107 bytes of
 * `sun_path`. NULL stands for the environment's TALLY_SOCKET, or /run/tally/tally.sock. */
#ifndef TALLY_H
#define TALLY_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TALLY_API __attribute__((visibility("default")))
#else
#define TALLY_API
#endif

#define TALLY_SOCKET_DEFAULT "/run/tally/tally.sock"

/* ---- Errors ------------------------------------------------------------------------------
 *
 * -1 to -99 come from the agent (the code of its error, negated); from -100 down the library
 * itself speaks. XX(number, name, text) */
#define TALLY_ERROR_MAP(XX)                                                                        \
    XX(-1, INVALID_REQUEST, "the request is not valid")                                            \
    XX(-2, UNKNOWN_METHOD, "the agent knows no such method")                                       \
    XX(-3, UNKNOWN_TRIGGER, "the agent has no such trigger")                                       \
    XX(-4, AMBIGUOUS_TRIGGER, "several triggers have this name")                                   \
    XX(-5, NOT_ALLOWED, "the agent does not allow this")                                           \
    XX(-6, BUSY, "too many requests are in flight")                                                \
    XX(-7, TIMEOUT, "the agent could not answer before the deadline")                              \
    XX(-8, CREDENTIALS, "the agent has no credentials")                                            \
    XX(-9, ACCESS_DENIED, "AWS denied access")                                                     \
    XX(-10, THROTTLED, "AWS throttles")                                                            \
    XX(-11, AWS_REJECTED, "AWS rejected the request")                                              \
    XX(-12, AWS_UNAVAILABLE, "AWS cannot be reached or failed")                                    \
    XX(-13, SHUTTING_DOWN, "the agent is shutting down")                                           \
    XX(-14, INTERNAL, "the agent failed")                                                          \
    XX(-100, ARGUMENT, "an argument is not valid")                                                 \
    XX(-101, NOMEM, "out of memory")                                                               \
    XX(-102, NOAGENT, "no agent answers at the socket")                                            \
    XX(-103, PERMISSION, "this user may not use the socket")                                       \
    XX(-104, DEADLINE, "the deadline passed")                                                      \
    XX(-105, PROTOCOL, "what answers at the socket does not speak the protocol")                   \
    XX(-106, SYSTEM, "the operating system refused")                                               \
    XX(-107, NOFIELD, "the answer has no such field of this type")                                 \
    XX(-108, CANCELLED, "the call was cancelled")                                                  \
    XX(-109, CLOSED, "the handle was closed")

enum tally_error {
    TALLY_OK = 0,
#define TALLY_ERROR_ENUM(number, name, text) TALLY_E##name = (number),
    TALLY_ERROR_MAP(TALLY_ERROR_ENUM)
#undef TALLY_ERROR_ENUM
};

/* The name, such as "THROTTLED", and the general text of an error number; "UNKNOWN" and
 * "an error that this version does not know" for others. Static: valid for ever. */
TALLY_API const char *tally_error_name(int error);
TALLY_API const char *tally_strerror(int error);

/* Whether the error reports a timeout, detected by the agent (TALLY_ETIMEOUT) or by the library
 * (TALLY_EDEADLINE). 1 or 0. */
TALLY_API int tally_error_is_timeout(int error);

/* The version of the library, such as "1.2.3". Static. */
TALLY_API const char *tally_version(void);

/* How reliable a count is. */
enum tally_quality {
    TALLY_QUALITY_UNKNOWN = 0, /* the answer is not a count */
    TALLY_EXACT = 1,           /* counted over every page */
    TALLY_AT_LEAST = 2,        /* counting stopped at a configured limit: this many or more */
    TALLY_STALE = 3            /* the last good number, because no newer one is available; also
                                * the value for an unknown word of a newer agent */
};

/* ---- Handles ---- */

struct tally;         /* a blocking connection to one agent */
struct tally_async;   /* the same for event loops */
struct tally_request; /* a method and its arguments */
struct tally_answer;  /* the outcome of a call: a result or an error */

/* Creates a handle for the agent at `path`, or the default one if it is NULL. Does not connect yet.
 * *tally is owned by the caller: tally_close it.
 * Actionable errors: TALLY_EARGUMENT for an empty path.
 * Returns 0, or a negative error number, and then *tally is NULL. */
TALLY_API int tally_open(struct tally **tally, const char *path);

/* Closes the connection and frees the handle, its last answer included. */
TALLY_API void tally_close(struct tally *tally);

/* The total deadline of the calls that follow: 1 to 300000 ms; 5000 by default.
 * Returns 0, or TALLY_EARGUMENT if it is out of range. */
TALLY_API int tally_set_timeout(struct tally *tally, int milliseconds);

/* Whether a call waits, inside its deadline, for an agent that was never reached: 1 for programs
 * that start beside their sidecar, 0 by default.
 * Returns 0, always. */
TALLY_API int tally_set_wait_for_agent(struct tally *tally, int wait);

/* ---- Calls -------------------------------------------------------------------------------
 *
 * Each one asks the agent and waits. What was answered stays readable through
 * tally_last_answer. Errors that any of them may return: the agent's own, TALLY_ENOAGENT,
 * TALLY_EPERMISSION, TALLY_EDEADLINE, TALLY_EPROTOCOL, TALLY_ENOMEM, TALLY_ESYSTEM. */

/* Counts. `trigger` is any unambiguous form of <namespace>/<object>/<trigger>. *count may come from
 * the agent's cache, no older than the trigger's polling interval; if AWS fails it may be the last
 * good number: tally_answer_quality shows this. `count` may be NULL.
 * Returns 0, or a negative error number. */
TALLY_API int tally_count(struct tally *tally, const char *trigger, int64_t *count);

/* As tally_count, with the quality and the age of the number in one call: for programs that must
 * not act on a stale count. Each of the three may be NULL; the age is in ms.
 * Returns 0, or a negative error number. */
TALLY_API int tally_count_quality(struct tally *tally, const char *trigger, int64_t *count,
    enum tally_quality *quality, int64_t *age_ms);

/* Whether the trigger's count is above 0, for which the agent reads one item at most, or nothing
 * where it has a count that is young enough. `trigger` and the quality as in tally_count.
 * Returns 1 or 0, or a negative error number. */
TALLY_API int tally_has_work(struct tally *tally, const char *trigger);

/* The configured triggers and what is known about each: field `triggers` of the answer, all of
 * them, however many pages the agent returns.
 * Returns 0, or a negative error number. */
TALLY_API int tally_list(struct tally *tally);

/* The agent itself: version, connections, cache, AWS calls, cost.
 * Returns 0, or a negative error number. */
TALLY_API int tally_status(struct tally *tally);

/* The identities in use: field `identities`; those of one trigger if it is not NULL.
 * Returns 0, or a negative error number. */
TALLY_API int tally_whoami(struct tally *tally, const char *trigger);

/* A count with every step that led to it.
 * Returns 0, or a negative error number. */
TALLY_API int tally_explain(struct tally *tally, const char *trigger);

/* Checks only that the agent answers.
 * Returns 0, or a negative error number. */
TALLY_API int tally_ping(struct tally *tally);

/* Sends a request created with the functions below; the caller keeps it and may use it again.
 * Actionable errors: TALLY_EARGUMENT for a request over 64 KiB, or what a setter of the request
 * returned earlier.
 * Returns 0, or a negative error number. */
TALLY_API int tally_call(struct tally *tally, const struct tally_request *request);

/* Calls any method with params in msgpack as they are (an array; NULL, 0 for an empty one), and
 * returns the result in msgpack. *result is borrowed until the next call on the handle, or its
 * close; `result` and `result_len` may be NULL.
 * Actionable errors: TALLY_EARGUMENT if params are not one whole msgpack array.
 * Returns 0, or a negative error number. */
TALLY_API int tally_call_packed(struct tally *tally, const char *method, const void *params,
    size_t params_len, const void **result, size_t *result_len);

/* The outcome of the last call, success or error; borrowed until the next call on the handle, or
 * its close. Never NULL: before the first call it is an empty result. */
TALLY_API const struct tally_answer *tally_last_answer(const struct tally *tally);

/* The readable message of the last call's error: what, where and, if known, what to do. "" if there
 * was no error. Borrowed until the next call on the handle, or its close. NULL, the result of a
 * failed tally_open, has a message, too. */
TALLY_API const char *tally_error_message(const struct tally *tally);

/* ---- Requests ----------------------------------------------------------------------------
 *
 *     tally_request_new(&request, "count");
 *     tally_request_set_string(request, "trigger", "orders");
 *     tally_request_set_integer(request, "max_age_ms", 0);
 *     r = tally_call(tally, request);
 *     tally_request_free(request);
 *
 * Methods and their fields are those of tally-protocol(7). Setting a field again replaces
 * it. A setter that fails leaves the request as it was and makes it unusable: a later call
 * returns the same error, so that one check is enough. Where `timeout_ms` is not set, the
 * library sends the agent the rest of the call's deadline. */

/* Returns 0, or a negative error number, and then *request is NULL. */
TALLY_API int tally_request_new(struct tally_request **request, const char *method);
TALLY_API void tally_request_free(struct tally_request *request);

/* Each of these returns 0, or a negative error number: TALLY_ENOMEM, or TALLY_EARGUMENT for
 * an empty key, or bytes that are not exactly one msgpack value. */
TALLY_API int tally_request_set_string(
    struct tally_request *request, const char *key, const char *value);
TALLY_API int tally_request_set_integer(
    struct tally_request *request, const char *key, int64_t value);
TALLY_API int tally_request_set_bool(struct tally_request *request, const char *key, int value);
TALLY_API int tally_request_set_packed(
    struct tally_request *request, const char *key, const void *data, size_t len);

/* A value for one placeholder of the trigger's expressions, which its `clientValues` must list.
 * `type` is DynamoDB's: "S" or "N" (text), "B" (bytes).
 * Returns 0, or a negative error number. */
TALLY_API int tally_request_set_value(struct tally_request *request, const char *placeholder,
    const char *type, const void *data, size_t len);

/* ---- Answers -----------------------------------------------------------------------------
 *
 * An answer is a result, or an error that may have fields, too (`desired_replicas` where a
 * fallback is configured). Fields are named by a path: keys and positions, with dots:
 * "count", "last_error.name", "triggers.0.table". */

/* 0, or the error number; its name (""); its readable message (""). The strings are borrowed as
 * long as the answer. */
TALLY_API int tally_answer_error(const struct tally_answer *answer);
TALLY_API const char *tally_answer_error_name(const struct tally_answer *answer);
TALLY_API const char *tally_answer_error_message(const struct tally_answer *answer);

/* What AWS reported, each "" if it did not answer: its error code, the request id to quote to AWS,
 * and the reasons of a throttle. Borrowed as long as the answer. */
TALLY_API const char *tally_answer_aws_code(const struct tally_answer *answer);
TALLY_API const char *tally_answer_aws_request_id(const struct tally_answer *answer);
TALLY_API const char *tally_answer_aws_reasons(const struct tally_answer *answer);

/* Whether a retry of the same request may succeed without changes (1 or 0), and after how many
 * milliseconds a retry makes sense (0: not given). */
TALLY_API int tally_answer_retryable(const struct tally_answer *answer);
TALLY_API int64_t tally_answer_retry_after_ms(const struct tally_answer *answer);

/* How reliable the count of an answer is. */
TALLY_API enum tally_quality tally_answer_quality(const struct tally_answer *answer);

/* Reads one field. A path of NULL or "" is the whole answer.
 * Actionable errors: TALLY_ENOFIELD if it is absent or of another type.
 * Each returns 0, or a negative error number. */
TALLY_API int tally_answer_integer(
    const struct tally_answer *answer, const char *path, int64_t *value);
TALLY_API int tally_answer_number(
    const struct tally_answer *answer, const char *path, double *value); /* integers too */
TALLY_API int tally_answer_bool(const struct tally_answer *answer, const char *path, int *value);

/* *text is borrowed as long as the answer, *len bytes, without a terminator.
 * Returns 0, or a negative error number. */
TALLY_API int tally_answer_text(
    const struct tally_answer *answer, const char *path, const char **text, size_t *len);

/* Copies a text into `buffer`, cut if it does not fit, always terminated.
 * Returns 0, TALLY_EARGUMENT if it was cut or `size` is 0, or TALLY_ENOFIELD. */
TALLY_API int tally_answer_string(
    const struct tally_answer *answer, const char *path, char *buffer, size_t size);

/* How many elements an array or pairs a map has.
 * Returns 0, or a negative error number. */
TALLY_API int tally_answer_size(const struct tally_answer *answer, const char *path, size_t *size);

/* The msgpack bytes of a field. *data is borrowed as long as the answer.
 * Returns 0, or a negative error number. */
TALLY_API int tally_answer_packed(
    const struct tally_answer *answer, const char *path, const void **data, size_t *len);

/* A cursor goes once through the elements of an array or the pairs of a map, in their order,
 * without searching from the start for each:
 *
 *     tally_cursor_new(&cursor, tally_last_answer(tally), "triggers");
 *     while (tally_cursor_next(cursor) > 0) {
 *         const struct tally_answer *trigger = tally_cursor_value(cursor);
 *         tally_answer_string(trigger, "trigger", name, sizeof(name));
 *     }
 *     tally_cursor_free(cursor);
 *
 * It reads the answer, which must not change meanwhile. */
struct tally_cursor;

/* *cursor is positioned before the first element; it is owned by the caller: tally_cursor_free it.
 * Actionable errors: TALLY_ENOFIELD if the field is absent, or neither an array nor a map.
 * Returns 0, or a negative error number, and then *cursor is NULL. */
TALLY_API int tally_cursor_new(
    struct tally_cursor **cursor, const struct tally_answer *answer, const char *path);
TALLY_API void tally_cursor_free(struct tally_cursor *cursor);

/* Advances to the next element. Returns 1 if there is one, 0 at the end, and 0 for NULL. */
TALLY_API int tally_cursor_next(struct tally_cursor *cursor);

/* The element, or the value of the pair, to be read by the functions above. Borrowed until the
 * cursor moves or is freed. */
TALLY_API const struct tally_answer *tally_cursor_value(const struct tally_cursor *cursor);

/* The key of the pair: *key is borrowed as long as the answer, *len bytes, without a terminator.
 * Returns 0, or TALLY_ENOFIELD for an element of an array, or a key that is not a string. */
TALLY_API int tally_cursor_key(const struct tally_cursor *cursor, const char **key, size_t *len);

/* ---- Event loops -------------------------------------------------------------------------
 *
 *     tally_async_open(&async, NULL);
 *     tally_async_call(async, request, 5000, on_answer, data, NULL);
 *     for (;;) {
 *         struct pollfd poll_fd = {tally_async_fd(async), tally_async_events(async), 0};
 *         poll(&poll_fd, 1, tally_async_timeout(async));
 *         tally_async_process(async);
 *     }
 *
 * Nothing here blocks. Callbacks run inside tally_async_process and tally_async_close, never
 * inside the function that was given them. A function that takes a callback and returns an
 * error never calls it; one that returns 0 calls it exactly once (a watch: at least once, the
 * last time when it ends). A callback may call, cancel, watch, unwatch and close. */

/* The answer is borrowed until the callback returns. */
typedef void tally_callback(const struct tally_answer *answer, void *data);

/* As tally_open. The descriptor below exists from here on.
 * Returns 0, or a negative error number, and then *async is NULL. */
TALLY_API int tally_async_open(struct tally_async **async, const char *path);

/* Ends every call and watch with TALLY_ECLOSED, then frees the handle. */
TALLY_API void tally_async_close(struct tally_async *async);

/* As tally_set_wait_for_agent. Returns 0, always. */
TALLY_API int tally_async_set_wait_for_agent(struct tally_async *async, int wait);

/* The descriptor to watch: the same number for the whole life of the handle, through every
 * reconnection. The poll(2) events to watch it for, and the milliseconds after which
 * tally_async_process must run without any (-1: none); ask for both again after every other
 * function of the handle. */
TALLY_API int tally_async_fd(const struct tally_async *async);
TALLY_API short tally_async_events(const struct tally_async *async);
TALLY_API int tally_async_timeout(const struct tally_async *async);

/* Does all that is possible now: connects, sends, receives, ends what is past its deadline and runs
 * the callbacks.
 * Returns 0, or TALLY_ENOMEM or TALLY_ESYSTEM, after which it may be called again. */
TALLY_API int tally_async_process(struct tally_async *async);

/* Starts a call. The request is copied. `timeout` is the total deadline, 1 to 300000 ms. *id, if
 * `id` is not NULL, names the call for tally_async_cancel.
 * Returns 0, or a negative error number. */
TALLY_API int tally_async_call(struct tally_async *async, const struct tally_request *request,
    int timeout, tally_callback *callback, void *data, uint32_t *id);

/* Counts, as tally_count; tally_answer_integer reads "count" of the answer.
 * Returns 0, or a negative error number. */
TALLY_API int tally_async_count(struct tally_async *async, const char *trigger, int timeout,
    tally_callback *callback, void *data, uint32_t *id);

/* Reports every change of a trigger's count or of its error, the present state first; the agent
 * keeps the count at most `max_age_ms` old, or the trigger's polling interval if that is negative;
 * with several watches of a trigger on one handle each of their ages holds, and when one begins the
 * others may be notified again of the state that they know. An error of the count is reported and
 * the watch goes on. While the agent is away the callback gets one TALLY_ENOAGENT, and when it is
 * back the watch subscribes again by itself. A refused subscription, and TALLY_EUNKNOWN_TRIGGER,
 * end the watch. Returns 0, or a negative error number. */
TALLY_API int tally_async_watch(struct tally_async *async, const char *trigger, int64_t max_age_ms,
    tally_callback *callback, void *data, uint32_t *id);

/* Ends a call or a watch: its callback runs once more, from the next tally_async_process, with
 * TALLY_ECANCELLED.
 * Returns 0, or TALLY_EARGUMENT if there is none with this id. */
TALLY_API int tally_async_cancel(struct tally_async *async, uint32_t id);

#ifdef __cplusplus
}
#endif

#endif
