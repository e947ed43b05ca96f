//! The `althing` binary; everything is in the library.

fn main() -> std::process::ExitCode {
    althing_node::cli::main()
}
