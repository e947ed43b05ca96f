//! Commands of one kind, each with the same flags beside its own.

use clap::builder::Resettable;
use clap::{ArgMatches, Args, Command, Error, FromArgMatches, Subcommand};

/// One of the commands `C`, with the flags `F` that all of them take.
#[derive(Debug)]
pub(super) struct With<C, F> {
    pub(super) command: C,
    pub(super) flags: F,
}

impl<C: Subcommand, F: Args> Subcommand for With<C, F> {
    fn augment_subcommands(parent: Command) -> Command {
        // Apart from the parent, which may have other subcommands already.
        let own = add_flags::<F>(C::augment_subcommands(Command::new("own")));
        parent.subcommands(own.get_subcommands().cloned().collect::<Vec<_>>())
    }

    fn augment_subcommands_for_update(parent: Command) -> Command {
        Self::augment_subcommands(parent)
    }

    fn has_subcommand(name: &str) -> bool {
        C::has_subcommand(name)
    }
}

/// Adds them where a command line ends: to the subcommands of a subcommand, if it has some. What a command says of itself stays: flags
/// with documentation put their own in its place.
fn add_flags<F: Args>(command: Command) -> Command {
    command.mut_subcommands(|sub| {
        if sub.has_subcommands() {
            return add_flags::<F>(sub);
        }
        let about = Resettable::from(sub.get_about().cloned());
        let more = Resettable::from(sub.get_long_about().cloned());
        F::augment_args(sub).about(about).long_about(more)
    })
}

impl<C: Subcommand, F: Args> FromArgMatches for With<C, F> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut leaf = matches;
        while let Some((_, sub)) = leaf.subcommand() {
            leaf = sub;
        }
        let flags = F::from_arg_matches(leaf)?;
        Ok(Self { command: C::from_arg_matches(matches)?, flags })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
