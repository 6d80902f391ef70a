/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "cli/demo/dpkg.h"

#include "test.h"

#include <stdio.h>
#include <stdlib.h>

static char why[DPKG_WHY_BYTES_MAX];

static bool is(struct bytes b, const char *text)
{
    return bytes_equal(b, bytes_of_text(text));
}

TEST(two_stanzas_are_two_packages_and_unknown_fields_are_passed_over)
{
    struct dpkg_reader r = dpkg_reader_of(bytes_of_text("Package: adduser\n"
                                                        "Status: install ok installed\n"
                                                        "Section: admin\n"
                                                        "Installed-Size: 686\n"
                                                        "Architecture: all\n"
                                                        "Version: 3.134\n"
                                                        "Depends: passwd (>= 1:4.17), a | b\n"
                                                        "Conffiles:\n"
                                                        " /etc/adduser.conf cc3493\n"
                                                        "Description: add users\n"
                                                        " More.\n"
                                                        " .\n"
                                                        " Section: not a field\n"
                                                        "\n"
                                                        "Package: apt\n"
                                                        "Version: 2.6.1"));
    struct dpkg_package p;

    CHECK(dpkg_next(&r, &p, why) == ACCORD_OK);
    CHECK(is(p.name, "adduser"));
    CHECK(is(p.version, "3.134"));
    CHECK(is(p.section, "admin"));
    CHECK(is(p.architecture, "all"));
    CHECK(is(p.depends, "passwd (>= 1:4.17), a | b"));
    CHECK(is(p.description, "add users\n More.\n .\n Section: not a field"));
    CHECK(p.installed_kib == 686);
    CHECK(dpkg_next(&r, &p, why) == ACCORD_OK);
    CHECK(is(p.name, "apt"));
    CHECK(is(p.version, "2.6.1"));
    CHECK(p.depends.size_bytes == 0);
    CHECK(p.installed_kib == 0);
    CHECK(dpkg_next(&r, &p, why) == ACCORD_E_ABSENT);
    CHECK(dpkg_next(&r, &p, why) == ACCORD_E_ABSENT);
}

TEST(field_names_in_any_case_comments_returns_and_many_empty_lines_are_understood)
{
    struct dpkg_reader r = dpkg_reader_of(bytes_of_text("\n\n# a comment\nPACKAGE:x\r\n"
                                                        "# another\nversion:   1 \r\n"
                                                        " \t \r\n\n\npackage:\ty\n"
                                                        "Description: one\n#no\n two\n#\n"));
    struct dpkg_package p;

    CHECK(dpkg_next(&r, &p, why) == ACCORD_OK);
    CHECK(is(p.name, "x"));
    CHECK(is(p.version, "1"));
    CHECK(dpkg_next(&r, &p, why) == ACCORD_OK);
    CHECK(is(p.name, "y"));
    CHECK(is(p.description, "one\n#no\n two"));
    CHECK(dpkg_next(&r, &p, why) == ACCORD_E_ABSENT);
}

TEST(a_stanza_without_a_package_lends_its_fields_to_no_other)
{
    struct dpkg_reader r = dpkg_reader_of(bytes_of_text("Version: 9\n\nPackage: z\n"));
    struct dpkg_package p;

    CHECK(dpkg_next(&r, &p, why) == ACCORD_OK);
    CHECK(is(p.name, "z"));
    CHECK(p.version.size_bytes == 0);
}

TEST(what_is_no_control_file_is_refused_with_its_line)
{
    const char *const bad[] = {"Package: a\nno colon here\n", "Package: a\n: no name\n",
                               "Package: a\nName With Blanks: x\n", "Package: a\n\177ELF:\n"};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct dpkg_reader r = dpkg_reader_of(bytes_of_text(bad[i]));
        struct dpkg_package p;
        CHECK(dpkg_next(&r, &p, why) == ACCORD_E_FORMAT);
        CHECK(strncmp(why, "line 2: expected", 16) == 0);
    }
}

TEST(a_size_that_is_no_number_or_too_large_counts_as_unsaid)
{
    const char *const sizes[] = {"Package: a\nInstalled-Size: 12x\n",
                                 "Package: a\nInstalled-Size: 99999999999999999999999\n"};

    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct dpkg_reader r = dpkg_reader_of(bytes_of_text(sizes[i]));
        struct dpkg_package p;
        CHECK(dpkg_next(&r, &p, why) == ACCORD_OK);
        CHECK(p.installed_kib == 0);
    }
}

/* Every slice must lie inside the input: reading its ends is what ASan judges. */
TEST_SEEDS(no_bytes_make_it_read_outside_of_them, 2000)
{
    static const char letters[] = "Package: x\nVersion:1\n\n \t#:\r.";
    size_t size = test_random(rng, 120);
    uint8_t *file = malloc(size + 1);
    uint64_t sum = 0;

    CHECK(file);
    for (size_t i = 0; i < size; i++)
        file[i] = (uint8_t)(test_random(rng, 50) ? letters[test_random(rng, sizeof letters)]
                                                 : (int)test_random(rng, 256));
    struct dpkg_reader r = dpkg_reader_of(bytes_of(file, size));
    struct dpkg_package p;
    while (dpkg_next(&r, &p, why) == ACCORD_OK) {
        struct bytes fields[] = {p.name,         p.version, p.section,
                                 p.architecture, p.depends, p.description};
        for (size_t i = 0; i < COUNT_OF(fields); i++) {
            if (fields[i].size_bytes == 0)
                continue;
            CHECK(fields[i].data >= file);
            CHECK(fields[i].data + fields[i].size_bytes <= file + size);
            sum += fields[i].data[0];
            sum += fields[i].data[fields[i].size_bytes - 1];
        }
        CHECK(p.name.size_bytes > 0);
    }
    CHECK(sum < UINT64_MAX);
    free(file);
}

/* The machine's own database: as many packages as grep finds. */
TEST(the_packages_of_this_machine_are_all_read)
{
    FILE *f = fopen("/var/lib/dpkg/status", "r");
    char line[4096];
    size_t lines = 0, packages = 0, size = 0;

    if (!f)
        test_skip("no /var/lib/dpkg/status");
    while (fgets(line, sizeof line, f))
        lines += strncmp(line, "Package: ", 9) == 0;
    CHECK(fseek(f, 0, SEEK_END) == 0);
    long end = ftell(f);
    CHECK(end >= 0);
    rewind(f);
    uint8_t *file = malloc((size_t)end + 1);
    CHECK(file);
    size = fread(file, 1, (size_t)end, f);
    fclose(f);
    struct dpkg_reader r = dpkg_reader_of(bytes_of(file, size));
    struct dpkg_package p;
    int status;
    while ((status = dpkg_next(&r, &p, why)) == ACCORD_OK)
        packages += p.version.size_bytes > 0 && p.architecture.size_bytes > 0;
    CHECK(status == ACCORD_E_ABSENT);
    CHECK(packages > 0);
    CHECK(packages <= lines);
    CHECK(lines - packages < 50); /* removed packages may have no version */
    free(file);
}
