// SPDX-License-Identifier: Apache-2.0
#include "userspace/base/fs.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char dir[] = "/tmp/pw-base-fs.XXXXXX";

static int make_dir(void **state)
{
	return mkdtemp(dir) && chdir(dir) == 0 ? 0 : -1;
}

static int remove_dir(void **state)
{
	unlink("file");
	rmdir("a/b/c");
	rmdir("a/b");
	rmdir("a");
	return chdir("/") == 0 && rmdir(dir) == 0 ? 0 : -1;
}

static void directories_are_made_with_their_parents_once(void **state)
{
	struct pw_err err = PW_ERR_INIT;

	assert_int_equal(pw_fs_mkdir_p("a/b/c", 0700, &err), 0);
	assert_int_equal(pw_fs_mkdir_p("a/b/c", 0700, &err), 0);
	assert_int_equal(pw_fs_mkdir_p("/", 0700, &err), 0);
	assert_int_equal(access("a/b/c", F_OK), 0);
	assert_int_equal(pw_fs_mkdir_p("/proc/nope/x", 0700, &err), -ENOENT);
	assert_string_equal(err.text,
			    "cannot create directory /proc/nope: No such file or directory");
}

static void a_file_is_replaced_whole_with_its_mode(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	pw_autofree char *text = NULL;
	struct stat st;
	size_t len;

	assert_int_equal(pw_fs_write_atomic("file", "old", 3, 0644, &err), 0);
	assert_int_equal(pw_fs_write_atomic("file", "new\0x", 5, 0600, &err), 0);
	assert_int_equal(stat("file", &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(pw_fs_read("file", 5, &text, &len, &err), 0);
	assert_int_equal(len, 5);
	assert_memory_equal(text, "new\0x\0", 6);
	assert_int_equal(pw_fs_mkdir_p("file", 0700, &err), -ENOTDIR);
	assert_true(pw_fs_write_atomic("nope/file", "x", 1, 0600, &err) < 0);
}

static void a_file_over_the_limit_is_refused(void **state)
{
	struct pw_err err = PW_ERR_INIT;
	char *text = NULL;
	size_t len;

	assert_int_equal(pw_fs_write_atomic("file", "12345", 5, 0600, &err), 0);
	assert_int_equal(pw_fs_read("file", 4, &text, &len, &err), -EFBIG);
	assert_int_equal(pw_fs_read("/dev/zero", 1 << 20, &text, &len, &err), -EFBIG);
	assert_int_equal(pw_fs_read("nope", 4, &text, &len, &err), -ENOENT);
	assert_int_equal(pw_fs_read("a", 4, &text, &len, &err), -EISDIR);
	assert_null(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(directories_are_made_with_their_parents_once),
		cmocka_unit_test(a_file_is_replaced_whole_with_its_mode),
		cmocka_unit_test(a_file_over_the_limit_is_refused),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
