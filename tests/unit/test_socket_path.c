/* SPDX-License-Identifier: Apache-2.0 */
/* The socket's place in the file system, where others are there first. */
#include "agent/ipc/socket_path.h"

#include "tests/unit/test.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

TEST(a_folder_that_somebody_keeps_locked_is_served_all_the_same)
{
    char folder[] = "/tmp/tally-socket-XXXXXX";
    char path[64], why[512] = "";
    struct socket_path self = {.path = path, .mode = 0600, .fd = -1};
    int other;

    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof(path), "%s/t.sock", folder);
    other = open(folder, O_RDONLY | O_DIRECTORY);
    CHECK(other >= 0);
    CHECK_INT(0, flock(other, LOCK_EX));
    alarm(20);
    CHECK_INT(0, socket_path_listen(&self, why, sizeof(why)));
    alarm(0);
    CHECK_STR("", why);
    CHECK_INT(0, access(path, F_OK));
    socket_path_close(&self);
    close(other);
    CHECK_INT(0, rmdir(folder));
}

TEST_MAIN(RUN(a_folder_that_somebody_keeps_locked_is_served_all_the_same))
