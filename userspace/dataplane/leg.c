// SPDX-License-Identifier: Apache-2.0
#include "leg.h"
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Key updates and tickets in a row, and our answers to them; a client that speaks at all sends one
 * in a million bytes. */
#define CONTROLS_MAX 128
/* Read in one go: records of one byte cost as much as those of 16 KB. */
#define RECORDS_MAX 64

void pw_leg_fail(struct pw_leg *leg, int error, bool drained)
{
	if (!leg->error)
		leg->error = error < 0 ? error : -ECONNRESET;
	leg->drained = leg->drained || drained;
}

int pw_leg_tls_error(struct pw_leg *leg, int ret)
{
	int saved_errno = errno;
	unsigned long code;
	int reason;

	switch (SSL_get_error(leg->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
		leg->may_read = false;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		leg->may_write = false;
		return -EAGAIN;
	case SSL_ERROR_SYSCALL:
		return saved_errno ? -saved_errno : -ECONNRESET;
	case SSL_ERROR_SSL:
		code = ERR_peek_error();
		reason = ERR_GET_REASON(code);
		if (ERR_GET_LIB(code) == ERR_LIB_SSL && reason > SSL_AD_REASON_OFFSET &&
		    reason < SSL_AD_REASON_OFFSET + 256)
			leg->alert = reason - SSL_AD_REASON_OFFSET;
		if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
			return -ECONNABORTED;
		return -EPROTO;
	default:
		return -EPROTO;
	}
}

static void on_message(int is_written, int version, int type, const void *buf, size_t len, SSL *ssl,
		       void *arg)
{
	struct pw_leg *leg = arg;

	leg->controls += type == SSL3_RT_HANDSHAKE;
}

void pw_leg_open(struct pw_leg *leg)
{
	if (!leg->ssl)
		return;
	SSL_set_msg_callback(leg->ssl, on_message);
	SSL_set_msg_callback_arg(leg->ssl, leg);
	/* Else SSL_read() would stay inside for as long as messages come. */
	SSL_clear_mode(leg->ssl, SSL_MODE_AUTO_RETRY);
}

/* WANT_READ stands for "would block" and for "a message was taken in, or answered: call again". */
static bool was_control(struct pw_leg *leg, int r, unsigned before)
{
	return leg->controls != before && SSL_get_error(leg->ssl, r) == SSL_ERROR_WANT_READ;
}

/* Fills the buffer over several records, so that small records do not become small writes. */
static ssize_t tls_recv(struct pw_leg *leg, void *buf, size_t len)
{
	size_t got = 0;

	for (int i = 0; got < len && (i < RECORDS_MAX || !got); i++) {
		unsigned before = leg->controls;
		size_t n = 0;
		int r;

		ERR_clear_error();
		errno = 0;
		r = SSL_read_ex(leg->ssl, (char *)buf + got, len - got, &n);
		if (r == 1) {
			got += n;
			leg->controls = 0;
			continue;
		}
		if (was_control(leg, r, before) && leg->controls <= CONTROLS_MAX)
			continue;
		/* What was read goes on first; the next call meets the same end again. */
		if (got)
			break;
		if (leg->controls > CONTROLS_MAX) {
			pw_leg_fail(leg, -EPROTO, /* drained= */ true);
			return leg->error;
		}
		if (SSL_get_error(leg->ssl, r) == SSL_ERROR_ZERO_RETURN) {
			leg->eof = true;
			return 0;
		}
		r = pw_leg_tls_error(leg, r);
		if (r != -EAGAIN)
			pw_leg_fail(leg, r, /* drained= */ true);
		return r;
	}
	return (ssize_t)got;
}

ssize_t pw_leg_recv(struct pw_leg *leg, void *buf, size_t len)
{
	ssize_t n;

	if (leg->ssl)
		return tls_recv(leg, buf, len);
	do {
		n = recv(leg->fd, buf, len, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	if (n > 0)
		return n;
	if (n < 0 && errno == EAGAIN) {
		leg->may_read = false;
		return -EAGAIN;
	}
	if (n < 0 || leg->error) {
		pw_leg_fail(leg, n < 0 ? -errno : -ECONNRESET, /* drained= */ true);
		return leg->error;
	}
	leg->eof = true;
	return 0;
}

static ssize_t tls_send(struct pw_leg *leg, const void *buf, size_t len)
{
	size_t n = 0;
	int r;

	ERR_clear_error();
	errno = 0;
	r = SSL_write_ex(leg->ssl, buf, len, &n);
	if (r == 1)
		return (ssize_t)n;
	r = pw_leg_tls_error(leg, r);
	if (r != -EAGAIN)
		pw_leg_fail(leg, r, /* drained= */ r == -EPROTO);
	return r;
}

ssize_t pw_leg_send(struct pw_leg *leg, const void *buf, size_t len)
{
	ssize_t n;

	if (leg->error)
		return leg->error;
	if (leg->ssl)
		return tls_send(leg, buf, len);
	do {
		n = send(leg->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n >= 0)
		return n;
	if (errno == EAGAIN) {
		leg->may_write = false;
		return -EAGAIN;
	}
	pw_leg_fail(leg, -errno, /* drained= */ false);
	return leg->error;
}

int pw_leg_shutdown(struct pw_leg *leg)
{
	int r;

	if (leg->error)
		return leg->error;
	if (leg->ssl) {
		ERR_clear_error();
		errno = 0;
		r = SSL_shutdown(leg->ssl);
		if (r < 0) {
			r = pw_leg_tls_error(leg, r);
			if (r != -EAGAIN)
				pw_leg_fail(leg, r, /* drained= */ false);
			return r;
		}
	}
	if (shutdown(leg->fd, SHUT_WR) < 0) {
		pw_leg_fail(leg, -errno, /* drained= */ false);
		return leg->error;
	}
	leg->shut = true;
	return 0;
}

void pw_leg_on_epoll(struct pw_leg *leg, uint32_t events)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		leg->may_read = true;
	if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		leg->may_write = true;
	/* A leg that is not being read (its partner is full) tells of its reset only here. */
	if ((events & EPOLLERR) && getsockopt(leg->fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 &&
	    error)
		pw_leg_fail(leg, -error, /* drained= */ leg->eof);
}

int pw_leg_unsent(const struct pw_leg *leg)
{
	int n = 0;

	return ioctl(leg->fd, SIOCOUTQ, &n) == 0 ? n : 0;
}

size_t pw_leg_queued(const struct pw_leg *leg)
{
	int n = 0;

	return ioctl(leg->fd, FIONREAD, &n) == 0 && n > 0 ? (size_t)n : 0;
}

bool pw_leg_has_ended(const struct pw_leg *leg)
{
	struct pollfd p = { .fd = leg->fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

void pw_leg_no_user_timeout(int fd)
{
	const unsigned none = 0;

	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &none, sizeof(none));
}

bool pw_leg_is_dead(const struct pw_leg *leg, int64_t now_ms, int64_t timeout_ms, int64_t *since_ms)
{
	struct tcp_info ti = { 0 };
	socklen_t len = sizeof(ti);

	/* One probe of a full window may go without an answer: those are rate-limited. */
	if (leg->error || getsockopt(leg->fd, IPPROTO_TCP, TCP_INFO, &ti, &len) < 0 ||
	    (!ti.tcpi_unacked && ti.tcpi_probes < 2)) {
		*since_ms = 0;
		return false;
	}
	if (!*since_ms || now_ms - (int64_t)ti.tcpi_last_ack_recv > *since_ms)
		*since_ms = now_ms;
	return now_ms - *since_ms >= timeout_ms;
}

void pw_leg_close(struct pw_leg *leg, bool reset)
{
	const struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (leg->fd >= 0 && reset)
		setsockopt(leg->fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	SSL_free(TAKE_PTR(leg->ssl));
	pw_closep(&leg->fd);
}

void pw_leg_set_options(int fd, int64_t unacked_timeout_ms, uint32_t unsent_bytes)
{
	const int on = 1, idle_s = 60, interval_s = 15, count = 4;
	const unsigned timeout = (unsigned)pw_min(unacked_timeout_ms, (int64_t)INT32_MAX);
	const unsigned lowat = unsent_bytes;

	/* Each is an improvement, not a condition: a socket that refuses one still forwards. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof(idle_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof(interval_s));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	if (timeout)
		setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout, sizeof(timeout));
	if (lowat)
		setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &lowat, sizeof(lowat));
}
