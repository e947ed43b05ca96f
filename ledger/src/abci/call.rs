//! Which answer belongs to which request.

use tendermint_proto::v0_38::abci::*;

/// A request with an answer of its own kind.
pub(super) trait Call {
    const NAME: &'static str;
    type Answer;

    fn request(self) -> request::Value;

    /// The answer in this response; the response if it is of another kind.
    fn answer(response: response::Value) -> Result<Self::Answer, Box<response::Value>>;
}

macro_rules! calls {
    ($($name:ident: $request:ident => $response:ident;)*) => {$(
        impl Call for $request {
            const NAME: &'static str = stringify!($name);
            type Answer = $response;

            fn request(self) -> request::Value {
                request::Value::$name(self)
            }

            fn answer(response: response::Value) -> Result<$response, Box<response::Value>> {
                match response {
                    response::Value::$name(answer) => Ok(answer),
                    other => Err(Box::new(other)),
                }
            }
        }
    )*};
}

calls! {
    Flush: RequestFlush => ResponseFlush;
    Info: RequestInfo => ResponseInfo;
    Query: RequestQuery => ResponseQuery;
    CheckTx: RequestCheckTx => ResponseCheckTx;
    InitChain: RequestInitChain => ResponseInitChain;
    PrepareProposal: RequestPrepareProposal => ResponsePrepareProposal;
    ProcessProposal: RequestProcessProposal => ResponseProcessProposal;
    FinalizeBlock: RequestFinalizeBlock => ResponseFinalizeBlock;
    Commit: RequestCommit => ResponseCommit;
    ListSnapshots: RequestListSnapshots => ResponseListSnapshots;
    OfferSnapshot: RequestOfferSnapshot => ResponseOfferSnapshot;
    LoadSnapshotChunk: RequestLoadSnapshotChunk => ResponseLoadSnapshotChunk;
    ApplySnapshotChunk: RequestApplySnapshotChunk => ResponseApplySnapshotChunk;
}

/// What a response is called.
pub(super) fn name(response: &response::Value) -> &'static str {
    use response::Value::*;
    match response {
        Exception(_) => "Exception",
        Echo(_) => "Echo",
        Flush(_) => "Flush",
        Info(_) => "Info",
        InitChain(_) => "InitChain",
        Query(_) => "Query",
        CheckTx(_) => "CheckTx",
        Commit(_) => "Commit",
        ListSnapshots(_) => "ListSnapshots",
        OfferSnapshot(_) => "OfferSnapshot",
        LoadSnapshotChunk(_) => "LoadSnapshotChunk",
        ApplySnapshotChunk(_) => "ApplySnapshotChunk",
        PrepareProposal(_) => "PrepareProposal",
        ProcessProposal(_) => "ProcessProposal",
        ExtendVote(_) => "ExtendVote",
        VerifyVoteExtension(_) => "VerifyVoteExtension",
        FinalizeBlock(_) => "FinalizeBlock",
    }
}
