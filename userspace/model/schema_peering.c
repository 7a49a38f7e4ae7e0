// SPDX-License-Identifier: Apache-2.0
/* The cluster itself, peerings, what they import, and the roots of our own authority. */
#include "model.h"

static const struct pw_field cluster_fields[] = {
	PW_FIELD(struct pw_cluster, "ID", id, PW_F_STR, 0),
	PW_FIELD(struct pw_cluster, "Datacenter", datacenter, PW_F_STR, 0),
};
const struct pw_schema pw_cluster_schema = PW_SCHEMA("Cluster", struct pw_cluster, cluster_fields);

/* State is a number here and a name in the API, where it depends on the stream as well: hidden. */
static const struct pw_field peering_fields[] = {
	PW_FIELD(struct pw_peering, "ID", id, PW_F_STR, 0),
	PW_FIELD(struct pw_peering, "Name", name, PW_F_STR, 0),
	PW_FIELD(struct pw_peering, "DeletedAt", deleted_at_ns, PW_F_TIME_NS, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peering, "Meta", meta, PW_F_MAP, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peering, "State", state, PW_F_INT, PW_F_HIDDEN),
	PW_FIELD(struct pw_peering, "PeerID", peer_id, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peering, "PeerCAPems", peer_ca_pems, PW_F_STRV, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peering, "PeerServerName", peer_server_name, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peering, "PeerServerAddresses", peer_server_addresses, PW_F_STRV,
		 PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peering, "ManualServerAddresses", manual_server_addresses, PW_F_STRV,
		 PW_F_HIDDEN | PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peering, "TokenCAPems", token_ca_pems, PW_F_STRV,
		 PW_F_HIDDEN | PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peering, "RemoteDatacenter", remote_datacenter, PW_F_STR,
		 PW_F_HIDDEN | PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peering, "RemotePartition", remote_partition, PW_F_STR,
		 PW_F_HIDDEN | PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peering, "RemoteLocality", remote_locality, PW_F_JSON,
		 PW_F_HIDDEN | PW_F_OMITEMPTY),
};
const struct pw_schema pw_peering_schema = PW_SCHEMA("Peering", struct pw_peering, peering_fields);

static const struct pw_field peering_secret_fields[] = {
	PW_FIELD(struct pw_peering_secret, "ID", id, PW_F_STR, 0),
	PW_FIELD(struct pw_peering_secret, "Establishment", establishment, PW_F_STR,
		 PW_F_HIDDEN | PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peering_secret, "StreamActive", stream_active, PW_F_STR,
		 PW_F_HIDDEN | PW_F_OMITEMPTY),
	PW_FIELD(struct pw_peering_secret, "StreamPending", stream_pending, PW_F_STR,
		 PW_F_HIDDEN | PW_F_OMITEMPTY),
};
const struct pw_schema pw_peering_secret_schema =
	PW_SCHEMA("PeeringSecret", struct pw_peering_secret, peering_secret_fields);

static const struct pw_field trust_bundle_fields[] = {
	PW_FIELD(struct pw_trust_bundle, "PeerName", peer, PW_F_STR, 0),
	PW_FIELD(struct pw_trust_bundle, "TrustDomain", trust_domain, PW_F_STR, 0),
	PW_FIELD(struct pw_trust_bundle, "ExportedPartition", exported_partition, PW_F_STR,
		 PW_F_OMITEMPTY),
	PW_FIELD(struct pw_trust_bundle, "RootPEMs", root_pems, PW_F_STRV, 0),
};
const struct pw_schema pw_trust_bundle_schema =
	PW_SCHEMA("TrustBundle", struct pw_trust_bundle, trust_bundle_fields);

static const struct pw_field import_fields[] = {
	PW_FIELD(struct pw_import, "PeerName", peer, PW_F_STR, 0),
	PW_FIELD(struct pw_import, "Services", services, PW_F_STRV, 0),
};
const struct pw_schema pw_import_schema = PW_SCHEMA("Import", struct pw_import, import_fields);

static const struct pw_field ca_root_fields[] = {
	PW_FIELD(struct pw_ca_root, "ID", id, PW_F_STR, 0),
	PW_FIELD(struct pw_ca_root, "Name", name, PW_F_STR, 0),
	PW_FIELD(struct pw_ca_root, "SerialNumber", serial, PW_F_INT, 0),
	PW_FIELD(struct pw_ca_root, "SigningKeyID", signing_key_id, PW_F_STR, 0),
	PW_FIELD(struct pw_ca_root, "NotBefore", not_before_ns, PW_F_TIME_NS, 0),
	PW_FIELD(struct pw_ca_root, "NotAfter", not_after_ns, PW_F_TIME_NS, 0),
	PW_FIELD(struct pw_ca_root, "RootCert", cert_pem, PW_F_STR, 0),
	PW_FIELD(struct pw_ca_root, "Active", active, PW_F_BOOL, 0),
	PW_FIELD(struct pw_ca_root, "PrivateKey", key_pem, PW_F_STR, PW_F_HIDDEN | PW_F_OMITEMPTY),
};
const struct pw_schema pw_ca_root_schema = PW_SCHEMA("CARoot", struct pw_ca_root, ca_root_fields);
