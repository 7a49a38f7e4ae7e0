/* SPDX-License-Identifier: Apache-2.0 */
#ifndef PW_DATAPLANE_HELLO_H
#define PW_DATAPLANE_HELLO_H
/*
 * Reads the server name out of a TLS ClientHello (RFC 8446 4.1.2, 5.1; RFC 6066 3) that is being
 * peeked at: the caller comes back with more of the same bytes until the answer is not
 * PW_HELLO_MORE. Pure: no state, no allocation.
 *
 * I1 Every length is checked against what is there; a declared length over the limit is refused
 * before its bytes are waited for. I2 The limit counts bytes on the wire, record headers included.
 */
#include "../base/util.h"
#include <peerway/abi.h>

enum pw_hello_result { PW_HELLO_MORE, PW_HELLO_OK, PW_HELLO_REFUSE };
struct pw_hello {
	char sni[PW_SNI_LEN]; /* OK: lower case, 1 to 255 bytes */
	size_t need_bytes; /* MORE: ask again when at least so many are there; at most the limit */
	enum pw_reason reason; /* REFUSE: not_tls, no_sni, hello_too_big, malformed */
};
/* data is overwritten: the records' contents are joined in place. len_bytes may be 0. */
enum pw_hello_result pw_hello_parse(uint8_t *data, size_t len_bytes, size_t limit_bytes,
				    struct pw_hello *ret);
#endif
