/* SPDX-License-Identifier: Apache-2.0 */
#include "client/answer.h"
#include "proto/clock.h"
#include "proto/limits.h"
#include "tests/unit/client_world.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

TEST(a_count_comes_back_with_its_fields)
{
    struct world world;
    int64_t count = -1;
    char trigger[32], cut[4];
    size_t size = 0;

    world_open(&world, reply_count, NULL);
    CHECK_INT(0, tally_count(world.tally, "orders", &count));
    CHECK_INT(1, count);
    const struct tally_answer *answer = tally_last_answer(world.tally);
    CHECK_INT(TALLY_EXACT, tally_answer_quality(answer));
    CHECK_INT(0, tally_answer_string(answer, "trigger", trigger, sizeof(trigger)));
    CHECK_STR("default/orders", trigger);
    CHECK_INT(TALLY_EARGUMENT, tally_answer_string(answer, "trigger", cut, sizeof(cut)));
    CHECK_STR("def", cut);
    CHECK_INT(TALLY_ENOFIELD, tally_answer_integer(answer, "trigger", &count));
    CHECK_INT(TALLY_ENOFIELD, tally_answer_integer(answer, "count.0", &count));
    CHECK_INT(0, tally_answer_size(answer, "", &size));
    CHECK_INT(3, size);
    CHECK_STR("", tally_error_message(world.tally));
    world_close(&world);
}

static bool reply_stale(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    (void)count;
    (void)data;
    message_begin_answer(out, request->id);
    write_map(out, 3);
    write_string(out, "count");
    write_int(out, 25000);
    write_string(out, "quality");
    write_string(out, "stale");
    write_string(out, "age_ms");
    write_int(out, 61000);
    return true;
}

TEST(one_call_shows_count_quality_and_age)
{
    struct world world;
    int64_t count = -1, age = -1;
    enum tally_quality quality = TALLY_EXACT;

    world_open(&world, reply_stale, NULL);
    CHECK_INT(0, tally_count_quality(world.tally, "orders", &count, &quality, &age));
    CHECK_INT(25000, count);
    CHECK_INT(TALLY_STALE, quality);
    CHECK_INT(61000, age);
    CHECK_INT(0, tally_count_quality(world.tally, "orders", NULL, NULL, NULL));
    world_close(&world);
}

TEST(an_answer_without_an_age_is_an_error_where_the_age_was_asked_for)
{
    struct world world;
    int64_t count = -1, age = -1;

    world_open(&world, reply_count, NULL);
    CHECK_INT(TALLY_EPROTOCOL, tally_count_quality(world.tally, "orders", &count, NULL, &age));
    CHECK_INT(-1, count);
    CHECK_INT(-1, age);
    world_close(&world);
}

static bool reply_refusal(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    struct failure failure;

    (void)count;
    (void)data;
    failure_set(&failure, ERROR_THROTTLED, "slow down");
    failure_set_aws(&failure, "ThrottlingException", "REQ-1", NULL);
    failure.retry_after_ms = 250;
    message_error(out, request->id, &failure, NULL);
    return true;
}

TEST(an_error_of_the_agent_is_reported_and_leaves_the_count_alone)
{
    struct world world;
    int64_t count = -1;

    world_open(&world, reply_refusal, NULL);
    CHECK_INT(TALLY_ETHROTTLED, tally_count(world.tally, "orders", &count));
    CHECK_INT(-1, count);
    const struct tally_answer *answer = tally_last_answer(world.tally);
    CHECK_STR("THROTTLED", tally_answer_error_name(answer));
    CHECK_STR("slow down", tally_error_message(world.tally));
    CHECK_STR("ThrottlingException", tally_answer_aws_code(answer));
    CHECK_STR("REQ-1", tally_answer_aws_request_id(answer));
    CHECK_INT(1, tally_answer_retryable(answer));
    CHECK_INT(250, tally_answer_retry_after_ms(answer));
    world_close(&world);
}

TEST(without_an_agent_a_call_fails_at_once)
{
    struct world world;

    world_open(&world, NULL, NULL);
    int64_t start = clock_ms();
    CHECK_INT(TALLY_ENOAGENT, tally_ping(world.tally));
    CHECK(clock_ms() - start < 2000);
    CHECK(strstr(tally_error_message(world.tally), world.path) != NULL);
    world_close(&world);
}

TEST(what_is_no_socket_is_reported)
{
    struct world world;

    world_open(&world, NULL, NULL);
    int fd = open(world.path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    CHECK_INT(TALLY_ENOAGENT, tally_ping(world.tally));
    CHECK(strstr(tally_error_message(world.tally), "is not a socket") != NULL);
    close(fd);
    world_close(&world);
}

TEST(a_socket_of_others_names_both_users)
{
    struct world world;
    int status = 0;

    if (geteuid() != 0)
        return;
    world_open(&world, reply_count, NULL);
    chmod(world.folder, 0755);
    chmod(world.path, 0600);
    pid_t child = fork();
    if (child == 0) {
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(2);
        int r = tally_ping(world.tally);
        const char *message = tally_error_message(world.tally);
        _exit(r == TALLY_EPERMISSION && strstr(message, "uid 65534") != NULL &&
                      strstr(message, "mode 0600") != NULL
                  ? 0
                  : 1);
    }
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK_INT(0, WEXITSTATUS(status));
    world_close(&world);
}

TEST(silence_ends_at_the_deadline)
{
    struct world world;

    world_open(&world, reply_never, NULL);
    CHECK_INT(0, tally_set_timeout(world.tally, 80));
    int64_t start = clock_ms();
    CHECK_INT(TALLY_EDEADLINE, tally_ping(world.tally));
    CHECK(clock_ms() - start >= 80);
    CHECK(clock_ms() - start < 2000);
    world_close(&world);
}

TEST(a_trickle_of_bytes_does_not_stretch_the_deadline)
{
    struct world world;

    world_open(&world, reply_count, NULL);
    fake_agent_trickle(world.agent, 20);
    CHECK_INT(0, tally_set_timeout(world.tally, 100));
    CHECK_INT(TALLY_EDEADLINE, tally_ping(world.tally));
    world_close(&world);
}

TEST(an_answer_may_come_byte_by_byte)
{
    struct world world;
    int64_t count = 0;

    world_open(&world, reply_count, NULL);
    fake_agent_trickle(world.agent, 1);
    CHECK_INT(0, tally_count(world.tally, "orders", &count));
    CHECK_INT(1, count);
    world_close(&world);
}

/* Keeps the first answer back until the second request. */
static bool reply_late(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    uint32_t *first = data;

    if (count == 1) {
        *first = request->id;
        return true;
    }
    answer_count(out, *first, 111);
    answer_count(out, request->id, 222);
    return true;
}

TEST(a_late_answer_is_not_taken_for_the_next)
{
    struct world world;
    uint32_t first = 0;
    int64_t count = 0;

    world_open(&world, reply_late, &first);
    tally_set_timeout(world.tally, 50);
    CHECK_INT(TALLY_EDEADLINE, tally_count(world.tally, "orders", &count));
    tally_set_timeout(world.tally, 5000);
    CHECK_INT(0, tally_count(world.tally, "orders", &count));
    CHECK_INT(222, count);
    CHECK_INT(1, fake_agent_connections(world.agent));
    world_close(&world);
}

/* Notifications, foreign ids and requests before the answer. */
static bool reply_noise(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    (void)data;
    message_begin_notification(out, "changed");
    write_array(out, 0);
    answer_count(out, request->id + 7, 999);
    message_begin_request(out, request->id, "reverse");
    write_array(out, 0);
    answer_count(out, request->id, count);
    return true;
}

TEST(a_handle_that_could_not_be_opened_has_a_message)
{
    struct tally *tally = NULL;

    CHECK_INT(TALLY_EARGUMENT, tally_open(&tally, ""));
    CHECK(tally_error_message(tally)[0] != '\0');
}

TEST(what_was_not_asked_is_passed_over)
{
    struct world world;
    int64_t count = 0;

    world_open(&world, reply_noise, NULL);
    CHECK_INT(0, tally_count(world.tally, "orders", &count));
    CHECK_INT(1, count);
    world_close(&world);
}

/* Sends notifications without end, until the client takes them no more. */
static void *flood(void *data)
{
    struct world *world = data;
    struct buffer frame;

    buffer_init(&frame, LIMIT_ANSWER_BYTES);
    for (int i = 0; i < 1000; i++) {
        message_begin_notification(&frame, "changed");
        write_array(&frame, 0);
    }
    while (fake_agent_push(world->agent, &frame))
        ;
    buffer_free(&frame);
    return NULL;
}

TEST(a_flood_of_bytes_does_not_stretch_the_deadline)
{
    struct world world;
    pthread_t thread;

    world_open(&world, reply_count, NULL);
    CHECK_INT(0, tally_ping(world.tally));
    fake_agent_stop(world.agent);
    world.agent = fake_agent_start(world.path, reply_never, NULL);
    CHECK_INT(0, tally_set_timeout(world.tally, 50));
    CHECK_INT(TALLY_EDEADLINE, tally_ping(world.tally)); /* connects */
    CHECK_INT(0, tally_set_timeout(world.tally, 200));
    pthread_create(&thread, NULL, flood, &world);
    int64_t start = clock_ms();
    CHECK_INT(TALLY_EDEADLINE, tally_ping(world.tally));
    CHECK(clock_ms() - start < 5000);
    tally_close(world.tally);
    pthread_join(thread, NULL);
    world.tally = NULL;
    world_close(&world);
}

static bool reply_garbage(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    (void)request;
    (void)count;
    buffer_append_string(out, data);
    return true;
}

TEST(what_is_no_answer_is_refused)
{
    static const char *const garbage[] = {
        "\xc1", "HTTP/1.1 400 Bad Request\r\n", "\x94\x01", "\xdd\xff\xff\xff\xff"};

    for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        struct world world;
        char text[64];

        snprintf(text, sizeof(text), "%s", garbage[i]);
        world_open(&world, reply_garbage, text);
        tally_set_timeout(world.tally, 200);
        int r = tally_ping(world.tally);
        /* An array that claims four elements is only refused once they are there. */
        CHECK(r == TALLY_EPROTOCOL || (i == 2 && r == TALLY_EDEADLINE));
        CHECK(tally_error_message(world.tally)[0] != '\0');
        world_close(&world);
    }
}

TEST(no_descriptor_survives_exec)
{
    struct world world;
    bool before[64];

    for (int fd = 0; fd < 64; fd++)
        before[fd] = fcntl(fd, F_GETFD) >= 0;
    world_open(&world, reply_count, NULL);
    CHECK_INT(0, tally_ping(world.tally));
    for (int fd = 0; fd < 64; fd++) {
        int flags = fcntl(fd, F_GETFD);

        CHECK(before[fd] || flags < 0 || (flags & FD_CLOEXEC));
    }
    world_close(&world);
}

static void on_alarm(int number)
{
    (void)number;
}

TEST(signals_do_not_disturb_a_call)
{
    struct world world;
    struct sigaction action = {.sa_handler = on_alarm};
    struct itimerval often = {{0, 2000}, {0, 2000}}, never = {{0, 0}, {0, 0}};

    world_open(&world, reply_count, NULL);
    fake_agent_trickle(world.agent, 1);
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < 5; i++)
        CHECK_INT(0, tally_ping(world.tally));
    setitimer(ITIMER_REAL, &never, NULL);
    world_close(&world);
}

static void *ask_often(void *data)
{
    struct tally *tally = NULL;

    CHECK_INT(0, tally_open(&tally, data));
    for (int i = 0; i < 200; i++)
        CHECK_INT(0, tally_ping(tally));
    tally_close(tally);
    return NULL;
}

TEST(many_handles_serve_many_threads)
{
    struct world world;
    pthread_t threads[8];

    world_open(&world, reply_count, NULL);
    for (size_t i = 0; i < 8; i++)
        pthread_create(&threads[i], NULL, ask_often, world.path);
    for (size_t i = 0; i < 8; i++)
        pthread_join(threads[i], NULL);
    CHECK_INT(1600, fake_agent_requests(world.agent));
    world_close(&world);
}

static bool reply_large(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    const uint32_t *size = data;
    char *text = calloc(1, *size);

    (void)count;
    message_begin_answer(out, request->id);
    write_text(out, text, *size);
    free(text);
    return true;
}

TEST(answers_are_bounded_and_may_be_large)
{
    static const struct {
        uint32_t size;
        int expected;
    } cases[] = {{1024 * 1024, 0}, {17 * 1024 * 1024, TALLY_EPROTOCOL}};

    for (size_t i = 0; i < 2; i++) {
        struct world world;
        uint32_t size = cases[i].size;
        size_t len = 0;

        world_open(&world, reply_large, &size);
        CHECK_INT(cases[i].expected, tally_call_packed(world.tally, "list", NULL, 0, NULL, &len));
        CHECK_INT(cases[i].expected == 0 ? size + 5 : 0, len);
        world_close(&world);
    }
}

TEST(bad_arguments_are_refused_before_anything_is_sent)
{
    struct world world;
    struct tally *none = NULL;
    char *long_name = malloc(70000);

    world_open(&world, reply_count, NULL);
    memset(long_name, 'x', 69999);
    long_name[69999] = '\0';
    CHECK_INT(TALLY_EARGUMENT, tally_open(&none, ""));
    CHECK(none == NULL);
    CHECK_INT(TALLY_EARGUMENT, tally_set_timeout(world.tally, 0));
    CHECK_INT(TALLY_EARGUMENT, tally_set_timeout(world.tally, 300001));
    CHECK_INT(TALLY_EARGUMENT, tally_count(world.tally, long_name, NULL));
    CHECK_INT(TALLY_EARGUMENT, tally_count(world.tally, NULL, NULL));
    CHECK_INT(TALLY_EARGUMENT, tally_call_packed(world.tally, "", NULL, 0, NULL, NULL));
    CHECK_INT(TALLY_EARGUMENT, tally_call_packed(world.tally, "x", "\x01", 1, NULL, NULL));
    CHECK_INT(TALLY_EARGUMENT, tally_call_packed(world.tally, "x", "\x91", 1, NULL, NULL));
    CHECK_INT(TALLY_EARGUMENT, tally_call_packed(world.tally, "x", "\x90\x90", 2, NULL, NULL));
    CHECK_INT(TALLY_EARGUMENT,
        tally_call_packed(world.tally, "x", "\x91\x91\x91\x91\x91\x91\x91\x90", 8, NULL, NULL));
    CHECK_INT(0, fake_agent_requests(world.agent));
    CHECK_INT(0, tally_ping(world.tally));
    tally_close(NULL);
    free(long_name);
    world_close(&world);
}

/* Answers with the count in *data, where the request asks for one item. */
static bool reply_enough(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    struct reader params = request->params;
    int64_t enough = 0;

    (void)count;
    if (!text_equals(request->method, "count") || !reader_find(&params, "0.enough") ||
        !reader_int(&params, &enough) || enough != 1)
        return false;
    answer_count(out, request->id, *(int64_t *)data);
    return true;
}

TEST(whether_there_is_work_costs_one_item)
{
    static const struct {
        int64_t count;
        int work;
    } cases[] = {{0, 0}, {1, 1}, {25000, 1}, {INT64_C(1) << 40, 1}, {-1, 0}};

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world world;
        int64_t count = cases[i].count;

        world_open(&world, reply_enough, &count);
        CHECK_INT(cases[i].work, tally_has_work(world.tally, "orders"));
        CHECK_INT(TALLY_EXACT, tally_answer_quality(tally_last_answer(world.tally)));
        world_close(&world);
    }
}

static bool reply_without_count(
    const struct message *request, unsigned count, struct buffer *out, void *data)
{
    (void)count;
    (void)data;
    message_begin_answer(out, request->id);
    write_map(out, 0);
    return true;
}

TEST(no_answer_is_neither_work_nor_none)
{
    struct world world;

    world_open(&world, NULL, NULL);
    CHECK_INT(TALLY_ENOAGENT, tally_has_work(world.tally, "orders"));
    world_close(&world);
    world_open(&world, reply_never, NULL);
    CHECK_INT(0, tally_set_timeout(world.tally, 50));
    CHECK_INT(TALLY_EDEADLINE, tally_has_work(world.tally, "orders"));
    world_close(&world);
    world_open(&world, reply_without_count, NULL);
    CHECK_INT(TALLY_EPROTOCOL, tally_has_work(world.tally, "orders"));
    world_close(&world);
}

TEST_MAIN(RUN(a_count_comes_back_with_its_fields), RUN(one_call_shows_count_quality_and_age),
    RUN(an_answer_without_an_age_is_an_error_where_the_age_was_asked_for),
    RUN(an_error_of_the_agent_is_reported_and_leaves_the_count_alone),
    RUN(without_an_agent_a_call_fails_at_once), RUN(what_is_no_socket_is_reported),
    RUN(a_socket_of_others_names_both_users), RUN(silence_ends_at_the_deadline),
    RUN(a_trickle_of_bytes_does_not_stretch_the_deadline),
    RUN(a_flood_of_bytes_does_not_stretch_the_deadline), RUN(an_answer_may_come_byte_by_byte),
    RUN(a_late_answer_is_not_taken_for_the_next),
    RUN(a_handle_that_could_not_be_opened_has_a_message), RUN(what_was_not_asked_is_passed_over),
    RUN(what_is_no_answer_is_refused), RUN(no_descriptor_survives_exec),
    RUN(signals_do_not_disturb_a_call), RUN(many_handles_serve_many_threads),
    RUN(answers_are_bounded_and_may_be_large),
    RUN(bad_arguments_are_refused_before_anything_is_sent),
    RUN(whether_there_is_work_costs_one_item), RUN(no_answer_is_neither_work_nor_none))
