/* SPDX-License-Identifier: Apache-2.0 */
/* When the configuration's files count as changed. Events and the clock are made by hand. */
#include "agent/config/config_files.h"

#include "tests/fake/fake_loop.h"
#include "tests/unit/test.h"

#include <sys/stat.h>
#include <unistd.h>

#define MINUTE_MS 60000

static char base[] = "/tmp/tally-test-watch-XXXXXX";
static char folder[64];
static const char *const paths[] = {folder};

/* Texts of different lengths, so that no clock is needed to distinguish them. */
static const char xs[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

static struct loop *loop;
static struct config_watch *watch;
static int changes;

static const char *path_of(const char *name)
{
    static char path[256];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(path_of(name), "w");

    CHECK(file != NULL);
    CHECK(fputs(text, file) >= 0);
    CHECK_INT(0, fclose(file));
}

static void count_change(void *data)
{
    CHECK(data == &changes);
    changes++;
}

static void start(void)
{
    static int number;

    snprintf(folder, sizeof(folder), "%s/%d", base, number++);
    CHECK_INT(0, mkdir(folder, 0700));
    write_file("a.yaml", "1");
    loop = loop_create();
    changes = 0;
    watch = config_watch_create(loop, paths, 1, config_stamp(paths, 1), count_change, &changes);
    CHECK(watch != NULL);
    fake_loop_advance(loop, 1000);
    CHECK_INT(0, changes);
}

static void stop(void)
{
    static const char *const names[] = {"a.yaml", "b.yaml", "b.json", "notes.txt", ".a.yaml.swp"};

    config_watch_destroy(watch);
    loop_destroy(loop);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unlink(path_of(names[i]));
    CHECK_INT(0, rmdir(folder));
}

TEST(several_changes_are_one_once_the_files_rest)
{
    start();
    for (int i = 0; i < 5; i++) {
        write_file("a.yaml", xs + i);
        fake_loop_folder_changed(loop);
        fake_loop_advance(loop, 100);
    }
    fake_loop_advance(loop, 200);
    CHECK_INT(0, changes);
    fake_loop_advance(loop, 200);
    CHECK_INT(1, changes);
    fake_loop_advance(loop, MINUTE_MS);
    CHECK_INT(1, changes);
    stop();
}

TEST(events_of_other_files_change_nothing)
{
    start();
    write_file("notes.txt", "x");
    write_file(".a.yaml.swp", "x");
    fake_loop_folder_changed(loop);
    fake_loop_advance(loop, MINUTE_MS);
    CHECK_INT(0, changes);
    stop();
}

TEST(other_files_that_never_rest_do_not_put_it_off)
{
    start();
    write_file("b.yaml", "1");
    for (int i = 0; i < 4; i++) {
        CHECK_INT(0, changes);
        write_file("notes.txt", "x");
        fake_loop_folder_changed(loop);
        fake_loop_advance(loop, 100);
    }
    CHECK_INT(1, changes);
    stop();
}

TEST(files_that_never_rest_are_read_all_the_same)
{
    start();
    for (int i = 0; i < 50; i++) {
        CHECK_INT(0, changes);
        write_file("a.yaml", xs + i);
        fake_loop_folder_changed(loop);
        fake_loop_advance(loop, 100);
    }
    CHECK_INT(1, changes);
    stop();
}

TEST(files_come_and_go)
{
    start();
    write_file("b.json", "{}");
    fake_loop_folder_changed(loop);
    fake_loop_advance(loop, 400);
    CHECK_INT(1, changes);
    CHECK_INT(0, unlink(path_of("a.yaml")));
    fake_loop_folder_changed(loop);
    fake_loop_advance(loop, 400);
    CHECK_INT(2, changes);
    stop();
}

/* Behind a link to elsewhere, or where the folder itself was replaced. */
TEST(what_no_event_shows_is_found_within_seconds)
{
    start();
    write_file("a.yaml", "22");
    fake_loop_advance(loop, 10200);
    CHECK_INT(1, changes);
    stop();
}

TEST(a_change_between_reading_and_watching_is_found)
{
    start();
    config_watch_destroy(watch);
    uint64_t stamp = config_stamp(paths, 1);
    write_file("a.yaml", "22");
    watch = config_watch_create(loop, paths, 1, stamp, count_change, &changes);
    fake_loop_advance(loop, 400);
    CHECK_INT(1, changes);
    stop();
}

/* The reader throws away what it read, and is called again. */
TEST(a_change_while_they_are_read_is_found)
{
    start();
    CHECK(config_watch_confirm(watch));
    write_file("a.yaml", "");
    CHECK(!config_watch_confirm(watch));
    write_file("a.yaml", "22");
    fake_loop_advance(loop, 400);
    CHECK_INT(1, changes);
    CHECK(config_watch_confirm(watch) && config_watch_confirm(NULL));
    fake_loop_advance(loop, MINUTE_MS);
    CHECK_INT(1, changes);
    stop();
}

TEST(on_demand_they_are_read_once_they_rest)
{
    start();
    config_watch_demand(watch);
    fake_loop_advance(loop, 199);
    CHECK_INT(0, changes);
    fake_loop_advance(loop, 1);
    CHECK_INT(1, changes);
    write_file("a.yaml", "");
    config_watch_demand(watch);
    fake_loop_advance(loop, 100);
    write_file("a.yaml", "22");
    fake_loop_advance(loop, 299);
    CHECK_INT(1, changes);
    fake_loop_advance(loop, 1);
    CHECK_INT(2, changes);
    fake_loop_advance(loop, MINUTE_MS);
    CHECK_INT(2, changes);
    stop();
}

static void remove_base(void)
{
    CHECK_INT(0, rmdir(base));
}

static void make_base(void)
{
    CHECK(mkdtemp(base) != NULL);
}

TEST_MAIN({"a_folder_of_its_own", make_base}, RUN(several_changes_are_one_once_the_files_rest),
    RUN(events_of_other_files_change_nothing), RUN(other_files_that_never_rest_do_not_put_it_off),
    RUN(files_that_never_rest_are_read_all_the_same), RUN(files_come_and_go),
    RUN(what_no_event_shows_is_found_within_seconds),
    RUN(a_change_between_reading_and_watching_is_found), RUN(a_change_while_they_are_read_is_found),
    RUN(on_demand_they_are_read_once_they_rest), {"it_goes", remove_base})
