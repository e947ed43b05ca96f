//! `althing validator register` and `sponsor`: a newcomer's vote key, put into a block by a validator that stands for it.

use std::{fs, path::PathBuf};

use althing_consensus::{Epoch, Notice, Registration, registration_bytes, sponsorship_bytes};
use althing_crypto::{
    Encoding,
    bls::{BLS, ProofOfPossession, VoteScheme},
    ed25519::{PublicKey, Signature},
    key_file::KeyFile,
};
use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    cli::{Failure, Output, node_arg::NodeArg},
    client::{Client, integer},
    home::write_new,
};

/// The longest file of a registration that is read.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// What the newcomer does.
#[derive(Debug, Args)]
pub(in crate::cli) struct Register {
    /// The key file of the newcomer's identity
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    /// The key file of what it will vote with
    #[arg(long, value_name = "FILE")]
    vote_key: PathBuf,
    /// The identity of the validator that will stand for it: 64 hexadecimal digits
    #[arg(long, value_name = "IDENTITY")]
    sponsor: PublicKey,
    /// The file to write for the sponsor; it must not exist
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// The chain [default: that of the node]
    #[arg(long, value_name = "ID", requires = "epoch")]
    chain_id: Option<String>,
    /// The epoch in which it is to come into a block [default: the one that the node is in]
    #[arg(long, value_name = "N", requires = "chain_id")]
    epoch: Option<u64>,
    #[command(flatten)]
    node: NodeArg,
}

/// What the validator that stands for it does.
#[derive(Debug, Args)]
pub(in crate::cli) struct Sponsor {
    /// The file that `althing validator register` wrote
    file: PathBuf,
    /// The key file of a validator's identity
    #[arg(long, value_name = "FILE")]
    identity: PathBuf,
    #[command(flatten)]
    node: NodeArg,
}

/// What goes from the newcomer to its sponsor. Nothing in it is secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    chain_id: String,
    epoch: u64,
    identity: String,
    vote_key: String,
    proof_of_possession: String,
    sponsor: String,
    signature: String,
}

/// Signs that this key will vote for this identity, and proves that the key is at hand.
pub(super) async fn register(args: Register, output: &Output) -> Result<(), Failure> {
    let identity = KeyFile::read_identity(&args.identity)?;
    let vote = KeyFile::read_vote(&args.vote_key)?;
    let (chain_id, epoch) = match (args.chain_id, args.epoch) {
        (Some(chain_id), Some(epoch)) => (chain_id, epoch),
        _ => whereabouts(&mut args.node.client()?).await?,
    };
    let key = *vote.public_key().bytes();
    let signature = identity.sign(&registration_bytes(&chain_id, Epoch(epoch), &key, &args.sponsor));
    let asked = Asked {
        chain_id,
        epoch,
        identity: identity.public_key().to_string(),
        vote_key: hex::encode(key),
        proof_of_possession: vote.prove_possession().to_string(),
        sponsor: args.sponsor.to_string(),
        signature: signature.to_string(),
    };
    write_new(&args.out, &serde_json::to_vec_pretty(&asked)?)?;
    let text = format!(
        "{}: the registration of {} for epoch {epoch}; validator {} puts it into a block by `althing validator sponsor`",
        args.out.display(),
        asked.identity,
        asked.sponsor
    );
    output.result(&json!({ "file": args.out, "registration": asked }), text);
    Ok(())
}

/// Signs for it as a validator, and hands it to a node.
pub(super) async fn sponsor(args: Sponsor, output: &Output) -> Result<(), Failure> {
    let sponsor = KeyFile::read_identity(&args.identity)?;
    let length = fs::metadata(&args.file).map(|file| file.len());
    let text = match length {
        Ok(length) if length > MAX_FILE_BYTES => {
            return Err(format!("{}: {length} bytes are no registration", args.file.display()).into());
        }
        _ => fs::read(&args.file).map_err(|error| format!("{}: {error}", args.file.display()))?,
    };
    let asked: Asked =
        serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", args.file.display()))?;
    let mut client = args.node.client()?;
    let (chain_id, epoch) = whereabouts(&mut client).await?;
    if (&asked.chain_id, asked.epoch) != (&chain_id, epoch) {
        return Err(format!(
            "the registration is for epoch {} of chain {:?}, the node is in epoch {epoch} of {chain_id:?}: the newcomer has to make it \
             anew",
            asked.epoch, asked.chain_id
        )
        .into());
    }
    let mut registration = asked.registration()?;
    let Registration { identity, vote_key, .. } = registration;
    if registration.sponsor != sponsor.public_key() {
        return Err(format!(
            "the newcomer wants validator {} to stand for it, this key is that of {}: it has to make the registration anew for you",
            registration.sponsor,
            sponsor.public_key()
        )
        .into());
    }
    registration.sponsor_signature =
        sponsor.sign(&sponsorship_bytes(&chain_id, Epoch(epoch), &identity, &vote_key));
    let bytes = hex::encode(Notice::Registration(Box::new(registration)).encode());
    let taken = client.call("althing_register", json!({ "registration": bytes })).await?;
    let text = format!(
        "the key of {identity} is on its way into a block; from then on the application can name it by its identity alone"
    );
    output.result(&taken, text);
    Ok(())
}

impl Asked {
    /// What the newcomer signed, checked here as every node will; the sponsor's part is still to come.
    fn registration(&self) -> Result<Registration, Failure> {
        let identity: PublicKey = self.identity.parse().map_err(|error| format!("identity: {error}"))?;
        let mut vote_key = [0; 48];
        hex::decode_to_slice(&self.vote_key, &mut vote_key).map_err(|error| format!("vote_key: {error}"))?;
        let proof: ProofOfPossession =
            self.proof_of_possession.parse().map_err(|error| format!("proof_of_possession: {error}"))?;
        let signature: Signature = self.signature.parse().map_err(|error| format!("signature: {error}"))?;
        let sponsor: PublicKey = self.sponsor.parse().map_err(|error| format!("sponsor: {error}"))?;
        let epoch = Epoch(self.epoch);
        if !identity.verify(&registration_bytes(&self.chain_id, epoch, &vote_key, &sponsor), &signature) {
            return Err(format!("it is not signed by identity {identity}").into());
        }
        let key = BLS.parse_public_key(&vote_key).map_err(|error| format!("vote_key: {error}"))?;
        if !BLS.verify_possession(&key, &proof) {
            return Err("the proof of possession of its vote key does not hold".into());
        }
        let sponsor_signature = signature;
        Ok(Registration { epoch, identity, vote_key, proof, signature, sponsor, sponsor_signature })
    }
}

/// The chain and the epoch of a node.
async fn whereabouts(client: &mut Client) -> Result<(String, u64), Failure> {
    let status = client.call("status", json!({})).await?;
    let chain_id = status["node_info"]["network"].as_str().map(str::to_owned);
    let (Some(chain_id), Some(epoch)) = (chain_id, integer(&status["althing"]["epoch"])) else {
        return Err("the node does not say which chain it is on and in which epoch".into());
    };
    Ok((chain_id, epoch))
}

#[cfg(test)]
mod tests {
    use althing_crypto::{bls, ed25519};

    use super::*;

    fn asked() -> Asked {
        let identity = ed25519::SecretKey::from_seed([1; 32]);
        let vote = bls::SecretKey::from_seed(&BLS, &[1; 32]);
        let key = *vote.public_key().bytes();
        let sponsor = ed25519::SecretKey::from_seed([3; 32]).public_key();
        Asked {
            chain_id: "c".into(),
            epoch: 3,
            identity: identity.public_key().to_string(),
            vote_key: hex::encode(key),
            proof_of_possession: vote.prove_possession().to_string(),
            sponsor: sponsor.to_string(),
            signature: identity.sign(&registration_bytes("c", Epoch(3), &key, &sponsor)).to_string(),
        }
    }

    #[test]
    fn a_sponsor_signs_only_for_what_the_newcomer_signed() {
        assert_eq!(asked().registration().unwrap().epoch, Epoch(3));
        let other = ed25519::SecretKey::from_seed([2; 32]).public_key().to_string();
        for (asked, reason) in [
            (Asked { epoch: 4, ..asked() }, "not signed by identity"),
            (Asked { identity: other.clone(), ..asked() }, "not signed by identity"),
            (Asked { sponsor: other, ..asked() }, "not signed by identity"),
            (Asked { vote_key: "ab".into(), ..asked() }, "vote_key"),
            (Asked { signature: "zz".into(), ..asked() }, "signature"),
            (
                Asked {
                    proof_of_possession: bls::SecretKey::from_seed(&BLS, &[2; 32])
                        .prove_possession()
                        .to_string(),
                    ..asked()
                },
                "proof of possession",
            ),
        ] {
            let error = asked.registration().unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
