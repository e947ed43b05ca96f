//! How many files and sockets this process may open. A node that clients have left none could not open its own.

/// What the node itself may need: its data, its peers, its logs, those who are turned away.
const OWN_FILES: u64 = 512;

/// As many of the connections asked for as leave the node its own files. Raises what the process may open as far as the system allows.
pub(super) fn connections(asked: usize) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let wanted = OWN_FILES.saturating_add(asked as u64);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None is no limit.
    let Some(mut open) = current else { return asked };
    if open < wanted {
        let raised = maximum.map_or(wanted, |maximum| wanted.min(maximum));
        match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
            Ok(()) => open = raised,
            Err(error) => tracing::warn!(%error, "the process cannot raise its limit of open files, {open}"),
        }
    }
    let given = within(open, asked);
    if given < asked {
        tracing::warn!(
            "rpc.max_connections is {asked}, but the process may open {open} files only: {given} are accepted; raise the limit (ulimit -n, \
             LimitNOFILE)"
        );
    }
    given
}

/// With few files the node and its clients have half each.
fn within(open: u64, asked: usize) -> usize {
    let left = open.saturating_sub(OWN_FILES).max(open / 2).max(1);
    asked.min(usize::try_from(left).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_leave_the_node_its_files() {
        assert_eq!(
            [within(100_000, 1024), within(1024, 1024), within(256, 1024), within(0, 5)],
            [1024, 512, 128, 1]
        );
        assert_eq!(connections(1), 1);
    }
}
