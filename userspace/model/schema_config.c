// SPDX-License-Identifier: Apache-2.0
/* Config entries: the row, and the kinds that are decoded. */
#include "model.h"

static const struct pw_field config_entry_fields[] = {
	PW_FIELD(struct pw_config_entry, "Kind", kind, PW_F_STR, 0),
	PW_FIELD(struct pw_config_entry, "Name", name, PW_F_STR, 0),
	PW_FIELD(struct pw_config_entry, "Body", body, PW_F_JSON, 0),
};
const struct pw_schema pw_config_entry_schema =
	PW_SCHEMA("ConfigEntry", struct pw_config_entry, config_entry_fields);

/* Beta versions of Consul wrote PeerName; its files must still load. */
static const struct pw_field consumer_fields[] = {
	PW_FIELD(struct pw_export_consumer, "Partition", partition, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_export_consumer, "Peer", peer, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_export_consumer, "PeerName", peer, PW_F_STR, PW_F_ALIAS),
	PW_FIELD(struct pw_export_consumer, "SamenessGroup", sameness_group, PW_F_STR,
		 PW_F_OMITEMPTY),
};
static const struct pw_schema consumer_schema =
	PW_SCHEMA("Consumer", struct pw_export_consumer, consumer_fields);

static const struct pw_field exported_service_fields[] = {
	PW_FIELD(struct pw_exported_service, "Name", name, PW_F_STR, 0),
	PW_FIELD(struct pw_exported_service, "Namespace", ns, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD_SUB(struct pw_exported_service, "Consumers", consumers, PW_F_LIST, 0,
		     &consumer_schema),
};
static const struct pw_schema exported_service_schema =
	PW_SCHEMA("ExportedService", struct pw_exported_service, exported_service_fields);

static const struct pw_field exported_services_fields[] = {
	PW_FIELD(struct pw_exported_services, "Kind", kind, PW_F_STR, 0),
	PW_FIELD(struct pw_exported_services, "Name", name, PW_F_STR, 0),
	PW_FIELD(struct pw_exported_services, "Partition", partition, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD_SUB(struct pw_exported_services, "Services", services, PW_F_LIST, 0,
		     &exported_service_schema),
	PW_FIELD(struct pw_exported_services, "Meta", meta, PW_F_MAP, PW_F_OMITEMPTY),
};
const struct pw_schema pw_exported_services_schema =
	PW_SCHEMA("ExportedServices", struct pw_exported_services, exported_services_fields);

static const struct pw_field source_fields[] = {
	PW_FIELD(struct pw_intention_source, "Name", name, PW_F_STR, 0),
	PW_FIELD(struct pw_intention_source, "Partition", partition, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_intention_source, "Namespace", ns, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_intention_source, "Action", action, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_intention_source, "Permissions", permissions, PW_F_JSON, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_intention_source, "Precedence", precedence, PW_F_INT, 0),
	PW_FIELD(struct pw_intention_source, "LegacyID", legacy_id, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_intention_source, "Type", type, PW_F_STR, 0),
	PW_FIELD(struct pw_intention_source, "Description", description, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_intention_source, "LegacyMeta", legacy_meta, PW_F_MAP, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_intention_source, "LegacyCreateTime", created_ns, PW_F_TIME_NS,
		 PW_F_OMITEMPTY),
	PW_FIELD(struct pw_intention_source, "LegacyUpdateTime", updated_ns, PW_F_TIME_NS,
		 PW_F_OMITEMPTY),
	PW_FIELD(struct pw_intention_source, "Peer", peer, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_intention_source, "SamenessGroup", sameness_group, PW_F_STR,
		 PW_F_OMITEMPTY),
};
const struct pw_schema pw_intention_source_schema =
	PW_SCHEMA("SourceIntention", struct pw_intention_source, source_fields);

static const struct pw_field intentions_fields[] = {
	PW_FIELD(struct pw_service_intentions, "Kind", kind, PW_F_STR, 0),
	PW_FIELD(struct pw_service_intentions, "Name", name, PW_F_STR, 0),
	PW_FIELD(struct pw_service_intentions, "Partition", partition, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_service_intentions, "Namespace", ns, PW_F_STR, PW_F_OMITEMPTY),
	PW_FIELD(struct pw_service_intentions, "JWT", jwt, PW_F_JSON, PW_F_OMITEMPTY),
	PW_FIELD_SUB(struct pw_service_intentions, "Sources", sources, PW_F_LIST, 0,
		     &pw_intention_source_schema),
	PW_FIELD(struct pw_service_intentions, "Meta", meta, PW_F_MAP, PW_F_OMITEMPTY),
};
const struct pw_schema pw_service_intentions_schema =
	PW_SCHEMA("ServiceIntentions", struct pw_service_intentions, intentions_fields);
