//! A configuration as the text of a file that people read and change.

use toml::{Table, Value};

use super::{LogFormat, NodeConfig, StorageConfig};

impl NodeConfig {
    /// The text of a `config.toml` with these values, explained. It says nothing of other keys that have their
    /// default.
    pub fn to_toml(&self) -> String {
        let peers: String = self
            .p2p
            .peers
            .iter()
            .map(|peer| {
                let address =
                    peer.address.as_ref().map(|a| format!(", address = {}", Value::from(a.as_str())));
                format!("    {{ identity = \"{}\"{} }},\n", peer.identity, address.unwrap_or_default())
            })
            .collect();
        let (listen, rpc) = (self.p2p.listen, self.rpc.listen);
        let StorageConfig { backend, kept_heights, kept_blocks, index } = self.storage;
        let kept_blocks = kept_blocks.map(|kept| {
            format!("# How many of the newest blocks are kept where the application lets older ones go.\nkept_blocks = {kept}\n")
        });
        let kept_blocks = kept_blocks.unwrap_or_default();
        let rpc_others = self.others("rpc", &["listen"]);
        let sections = ["mempool", "journal"].map(|section| match self.others(section, &[]) {
            none if none.is_empty() => none,
            keys => format!("[{section}]\n{keys}\n"),
        });
        let others = sections.concat();
        let level = Value::from(self.log.level.as_str());
        let application = self.application.address.as_ref().map(|address| {
            let address = Value::from(address.to_string());
            format!("[application]\n# Where it listens, if its kind is abci.\naddress = {address}\n\n")
        });
        let application = application.unwrap_or_default();
        let format = if self.log.format == LogFormat::Json { "json" } else { "text" };
        format!(
            "# What this node's operator chooses. Each key can be overridden by a variable (rpc.listen by ALTHING_RPC__LISTEN)\n\
             # and that by a flag (--set rpc.listen=127.0.0.1:26657).\n\
             \n\
             [p2p]\n\
             # Where other nodes connect.\n\
             listen = \"{listen}\"\n\
             # Whom to connect to. Validators may connect in any case; nodes listed here may, too; nobody else.\n\
             peers = [\n{peers}]\n\
             \n\
             [rpc]\n\
             # Where JSON-RPC is served to clients. Beyond loopback, say what clients without a key may do: rpc.anonymous.\n\
             listen = \"{rpc}\"\n{rpc_others}\
             \n\
             {others}\
             {application}[storage]\n\
             # The database; cannot be changed later. redb lost nothing in 40 simulated power cuts. sled failed that test: in 2 of\n\
             # 40 it had half of a write that the power had cut, and it takes three times the memory.\n\
             backend = \"{backend}\"\n\
             # How many of the newest heights of the application's state can be asked about, as far as memory allows.\n\
             kept_heights = {kept_heights}\n{kept_blocks}\
             # Whether blocks are indexed for tx_search and block_search.\n\
             index = {index}\n\
             \n\
             [log]\n\
             # error, warn, info, debug, trace, or by module: \"info,althing_node=debug\"\n\
             level = {level}\n\
             # text or json\n\
             format = \"{format}\"\n"
        )
    }

    /// The keys of a section that do not have their default, without those that are `shown` anyway: a line each.
    fn others(&self, section: &str, shown: &[&str]) -> String {
        let table = |config: &Self| {
            let whole = Table::try_from(config).expect("a configuration is a table");
            whole.get(section).and_then(Value::as_table).cloned().unwrap_or_default()
        };
        let default = table(&Self::default());
        let changed = table(self).into_iter().filter(|(key, value)| default.get(key) != Some(value));
        changed
            .filter(|(key, _)| !shown.contains(&key.as_str()))
            .map(|(key, value)| format!("{key} = {value}\n"))
            .collect()
    }
}
