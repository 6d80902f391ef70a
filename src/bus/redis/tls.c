/* SPDX-License-Identifier: BSD-2-Clause
 * Copyright (c) 2026 the Accord authors */
#include "bus/redis/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct redis_tls_context {
    SSL_CTX *ssl;
    bool insecure;
};

struct redis_tls {
    SSL *ssl;
    BIO *in, *out; /* of the session, which frees them */
};

/* The newest word of OpenSSL on what went wrong; also empties its queue. */
static const char *reason(void)
{
    unsigned long code = ERR_peek_last_error();
    const char *text = code ? ERR_reason_error_string(code) : NULL;

    ERR_clear_error();
    return text ? text : "no reason given";
}

/* OpenSSL says "system lib" of a file that is not there. */
static int check_file(const char *option, const char *path, char why[BUS_WHY_BYTES_MAX])
{
    if (!path || access(path, R_OK) == 0)
        return ACCORD_OK;
    return bus_fail(why, ACCORD_E_INVALID, "%s=%.200s: %s", option, path, strerror(errno));
}

static int load_files(SSL_CTX *ssl, const struct redis_place *p, char why[BUS_WHY_BYTES_MAX])
{
    int status = check_file("ca", p->ca, why);

    if (status == ACCORD_OK)
        status = check_file("cert", p->cert, why);
    if (status == ACCORD_OK)
        status = check_file("key", p->key, why);
    if (status != ACCORD_OK)
        return status;
    if (p->ca && SSL_CTX_load_verify_locations(ssl, p->ca, NULL) != 1)
        return bus_fail(why, ACCORD_E_INVALID, "ca=%.200s holds no certificates: %s", p->ca,
                        reason());
    if (!p->ca && SSL_CTX_set_default_verify_paths(ssl) != 1)
        return bus_fail(why, ACCORD_E_INVALID, "the system's certificates: %s", reason());
    if (p->cert && SSL_CTX_use_certificate_chain_file(ssl, p->cert) != 1)
        return bus_fail(why, ACCORD_E_INVALID, "cert=%.200s holds no certificate: %s", p->cert,
                        reason());
    if (p->key && SSL_CTX_use_PrivateKey_file(ssl, p->key, SSL_FILETYPE_PEM) != 1)
        return bus_fail(why, ACCORD_E_INVALID, "key=%.200s is no key of that certificate: %s",
                        p->key, reason());
    return ACCORD_OK;
}

int redis_tls_context_new(struct redis_tls_context **out, const struct redis_place *place,
                          char why[BUS_WHY_BYTES_MAX])
{
    struct redis_tls_context *c = calloc(1, sizeof *c);
    int status = ACCORD_OK;

    if (c)
        c->ssl = SSL_CTX_new(TLS_client_method());
    if (!c || !c->ssl) {
        redis_tls_context_free(c);
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    }
    c->insecure = place->insecure;
    if (SSL_CTX_set_min_proto_version(c->ssl, TLS1_2_VERSION) != 1)
        status = bus_fail(why, ACCORD_E_UNSUPPORTED, "this OpenSSL has no TLS 1.2");
    SSL_CTX_set_verify(c->ssl, c->insecure ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, NULL);
    if (status == ACCORD_OK)
        status = load_files(c->ssl, place, why);
    if (status != ACCORD_OK) {
        redis_tls_context_free(c);
        return status;
    }
    *out = c;
    return ACCORD_OK;
}

void redis_tls_context_free(struct redis_tls_context *c)
{
    if (!c)
        return;
    SSL_CTX_free(c->ssl);
    free(c);
}

/* An address is looked for among a certificate's addresses, and is no name for SNI. */
static bool expect_host(SSL *ssl, const char *host)
{
    uint8_t address[16];

    if (inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host) == 1;
    return SSL_set1_host(ssl, host) == 1 && SSL_set_tlsext_host_name(ssl, host) == 1;
}

int redis_tls_new(struct redis_tls **out, struct redis_tls_context *context, const char *host,
                  char why[BUS_WHY_BYTES_MAX])
{
    struct redis_tls *t = calloc(1, sizeof *t);

    if (t)
        t->ssl = SSL_new(context->ssl);
    if (t && t->ssl) {
        t->in = BIO_new(BIO_s_mem());
        t->out = BIO_new(BIO_s_mem());
    }
    if (!t || !t->ssl || !t->in || !t->out || !expect_host(t->ssl, host)) {
        if (t) {
            BIO_free(t->in);
            BIO_free(t->out);
            t->in = t->out = NULL;
        }
        redis_tls_free(t);
        return bus_fail(why, ACCORD_E_NOMEM, "out of memory");
    }
    /* An empty buffer means "come back later", not "the end". */
    BIO_set_mem_eof_return(t->in, -1);
    BIO_set_mem_eof_return(t->out, -1);
    SSL_set_bio(t->ssl, t->in, t->out);
    SSL_set_connect_state(t->ssl);
    *out = t;
    return ACCORD_OK;
}

void redis_tls_free(struct redis_tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    free(t);
}

int redis_tls_feed(struct redis_tls *t, const uint8_t *data, size_t size)
{
    ASSERT(size <= INT_MAX);
    return BIO_write(t->in, data, (int)size) == (int)size ? ACCORD_OK : ACCORD_E_NOMEM;
}

size_t redis_tls_drain(struct redis_tls *t, uint8_t *out, size_t room)
{
    int n = BIO_read(t->out, out, (int)u64_min(room, INT_MAX));

    return n > 0 ? (size_t)n : 0;
}

static bool wants_more(struct redis_tls *t, int result)
{
    int error = SSL_get_error(t->ssl, result);

    return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE;
}

int redis_tls_handshake(struct redis_tls *t, bool *done, char why[BUS_WHY_BYTES_MAX])
{
    ERR_clear_error();
    int result = SSL_do_handshake(t->ssl);
    if (result == 1) {
        *done = true;
        return ACCORD_OK;
    }
    if (wants_more(t, result)) {
        *done = false;
        return ACCORD_OK;
    }
    long verified = SSL_get_verify_result(t->ssl);
    if (verified != X509_V_OK)
        return bus_fail(why, ACCORD_E_DENIED,
                        "its certificate is not to be trusted: %s; give the authority that "
                        "signed it with ca=",
                        X509_verify_cert_error_string(verified));
    return bus_fail(why, ACCORD_E_DENIED, "no TLS with it: %s", reason());
}

int redis_tls_write(struct redis_tls *t, const uint8_t *data, size_t size,
                    char why[BUS_WHY_BYTES_MAX])
{
    size_t written = 0;

    ERR_clear_error();
    if (SSL_write_ex(t->ssl, data, size, &written) == 1 && written == size)
        return ACCORD_OK;
    return bus_fail(why, ACCORD_E_DOWN, "TLS failed: %s", reason());
}

int redis_tls_read(struct redis_tls *t, uint8_t *out, size_t room, size_t *size,
                   char why[BUS_WHY_BYTES_MAX])
{
    *size = 0;
    ERR_clear_error();
    int result = SSL_read_ex(t->ssl, out, room, size);
    if (result == 1 || wants_more(t, result))
        return ACCORD_OK;
    if (SSL_get_error(t->ssl, result) == SSL_ERROR_ZERO_RETURN)
        return bus_fail(why, ACCORD_E_DOWN, "closed the connection");
    /* In TLS 1.3 what the server thinks of our certificate comes after the handshake. */
    return bus_fail(why, ACCORD_E_DENIED, "TLS failed: %s", reason());
}
