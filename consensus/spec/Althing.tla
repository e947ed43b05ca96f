------------------------------- MODULE Althing -------------------------------
(***************************************************************************)
(* The voting rules of PROTOCOL.md: what the correct members may sign, and *)
(* that no order of messages, loss, crash or lie makes them commit two     *)
(* blocks of which neither extends the other.                              *)
(*                                                                         *)
(* What is left out, and why nothing is lost by it:                        *)
(*                                                                         *)
(* - The network.  What was signed stays in a set.  A member may act on    *)
(*   any part of it at any time, or never: delay, loss, repetition and     *)
(*   reordering are all in that.                                           *)
(* - The engine.  A member does whatever the safety rules S4 to S6 permit, *)
(*   whenever they do: the engine only ever does less (R1 to R7).          *)
(* - What a member holds in memory.  It may know every certificate in one  *)
(*   step and none in the next, so a crash that loses its memory is no     *)
(*   step of its own.  A crash that loses a part of the record is one, and *)
(*   is wrong: Broken chooses it.                                          *)
(* - Leaders, proposals (S3) and the validity of blocks: anyone proposes   *)
(*   any block, or several in one view.                                    *)
(* - The faulty members' messages.  They sign everything, so each of their *)
(*   messages is taken as sent.                                            *)
(* - Unequal powers.  Members count one each.                              *)
(*                                                                         *)
(* One thing is taken for granted: who restores a backup is told of all it *)
(* signed.  PROTOCOL.md promises what a quorum of running members saw.     *)
(***************************************************************************)
EXTENDS Integers, FiniteSets, Sequences, TLC

CONSTANTS
  Correct,      \* the correct members
  Faulty,       \* the faulty members
  LastView,     \* views are 1 .. LastView
  Names,        \* 1 .. k: tells apart blocks of one view with one parent
  MaxRestores,  \* how often a record is lost and a floor set instead (S7)
  Broken        \* the faults put into the rules, {} for none

Faults == { "commit vote after timeout",       \* S5 without v > timed_out
            "commit vote keeps high QC",       \* S5 without raising the high QC,
                                               \* and S6 without the entry's view
            "views in TC ignored",             \* S4 without justify.view >= every view named
            "vote after timeout",              \* S4 without v > timed_out
            "vote lost in crash",              \* a restart forgets the last voted view
            "high QC lost in crash",           \* a restart forgets the high QC, S6 has no entry
            "restored without floor" }         \* S7 without a floor

ASSUME Broken \subseteq Faults /\ Correct \cap Faulty = {}

Is(fault) == fault \in Broken

Views == 1 .. LastView

(***************************************************************************)
(* A block is the chain that ends in it: a sequence of views, growing, and *)
(* names.  The empty one is the epoch's opening block.                     *)
(***************************************************************************)
Opening == << >>
ViewOf(b) == IF b = Opening THEN 0 ELSE b[Len(b)].view
Parent(b) == SubSeq(b, 1, Len(b) - 1)
Extends(c, b) == Len(b) <= Len(c) /\ SubSeq(c, 1, Len(b)) = b
Conflict(b, c) == ~Extends(b, c) /\ ~Extends(c, b)

Blocks == { b \in UNION { [1 .. n -> [view : Views, name : Names]] : n \in Views } :
              \A i \in 1 .. Len(b) - 1 : b[i].view < b[i + 1].view }
BlocksOf == [v \in 0 .. LastView |-> { b \in Blocks \cup {Opening} : ViewOf(b) = v }]

(* Another block of the same view and parent.  Names mean nothing, so they are given in the order of the first votes: *)
(* that much less for TLC to visit.                                                                                  *)
Sibling(b, name) == [b EXCEPT ![Len(b)].name = name]

VARIABLES
  votes,     \* <<member, block>>, each of the block's view, by correct members; likewise
  commits,   \* <<member, block>>: commit votes
  timeouts,  \* <<member, view, view of the high QC it names>>
  record,    \* each correct member's durable record
  restored   \* the members whose record was once restored from an older copy

vars == << votes, commits, timeouts, record, restored >>

NoRecord == [voted |-> 0, commitVoted |-> 0, timedOut |-> 0, high |-> 0, floor |-> 0]

Init ==
  /\ votes = {} /\ commits = {} /\ timeouts = {}
  /\ record = [p \in Correct |-> NoRecord]
  /\ restored = {}

(***************************************************************************)
(* Certificates: what a quorum, the faulty members among it, has signed.   *)
(* A commit certificate counts as a QC of its view; where there is one     *)
(* there is a QC as well (S5), so Certified need not name it.              *)
(***************************************************************************)
IsQuorum(members) == 3 * Cardinality(members) > 2 * Cardinality(Correct \cup Faulty)
SignedBy(messages, b) == { p \in Correct : << p, b >> \in messages } \cup Faulty

Certified(b) == IF b = Opening THEN TRUE ELSE IsQuorum(SignedBy(votes, b))
Committed(b) == IsQuorum(SignedBy(commits, b))
HasQc(q) == \E b \in BlocksOf[q] : Certified(b)

(* There is a TC of view v that names no view above q.  Its faulty signers name 0. *)
HasTc(v, q) ==
  IsQuorum({ p \in Correct : \E named \in 0 .. q : << p, v, named >> \in timeouts } \cup Faulty)

Max(a, b) == IF a > b THEN a ELSE b

(***************************************************************************)
(* What a correct member signs.  Record and message are one step: the      *)
(* record is durable before the message leaves (S2), and between the two   *)
(* nobody can tell the difference.                                         *)
(***************************************************************************)

(* R3, S4.  The high QC is raised to the justify QC. *)
Vote(p, b) ==
  LET v == ViewOf(b)
      justify == ViewOf(Parent(b))
      r == record[p]
  IN
  /\ v > r.voted /\ v > r.floor
  /\ ~Is("vote after timeout") => v > r.timedOut
  /\ Certified(Parent(b))
  /\ \A name \in 1 .. b[Len(b)].name - 1 : \E q \in Correct : << q, Sibling(b, name) >> \in votes
  /\ justify < v - 1 => HasTc(v - 1, IF Is("views in TC ignored") THEN v - 2 ELSE justify)
  /\ votes' = votes \cup {<< p, b >>}
  /\ record' = [record EXCEPT ![p].voted = v, ![p].high = Max(@, justify)]
  /\ UNCHANGED << commits, timeouts, restored >>

(* R5, S5.  The high QC is raised to the certificate. *)
CommitVote(p, b) ==
  LET v == ViewOf(b)
      r == record[p]
  IN
  /\ v > r.commitVoted /\ v > r.floor
  /\ ~Is("commit vote after timeout") => v > r.timedOut
  /\ Certified(b)
  /\ commits' = commits \cup {<< p, b >>}
  /\ record' = [record EXCEPT
       ![p].commitVoted = v,
       ![p].high = IF Is("commit vote keeps high QC") THEN @ ELSE Max(@, v)]
  /\ UNCHANGED << votes, timeouts, restored >>

(* R7, S6.  A high QC of view q is named, which becomes the record's.  The view was entered with a certificate of the view *)
(* before, and q is not below what that shows: without a QC there must be a TC.                                            *)
TimeOut(p, v, q) ==
  LET r == record[p]
      withoutEntry == Is("commit vote keeps high QC") \/ Is("high QC lost in crash")
  IN
  /\ v >= r.timedOut /\ v >= r.voted /\ v > r.floor
  /\ v > q /\ q >= r.high /\ HasQc(q)
  /\ << p, v, q >> \notin timeouts
  /\ ~withoutEntry /\ q < v - 1 => HasTc(v - 1, q)
  /\ timeouts' = timeouts \cup {<< p, v, q >>}
  /\ record' = [record EXCEPT ![p].timedOut = v, ![p].high = q]
  /\ UNCHANGED << votes, commits, restored >>

(* S2, S8.  A restart reads the record that was written. *)
Crash(p) ==
  /\ \/ Is("vote lost in crash") /\ record' = [record EXCEPT ![p].voted = 0]
     \/ Is("high QC lost in crash") /\ record' = [record EXCEPT ![p].high = 0]
  /\ UNCHANGED << votes, commits, timeouts, restored >>

(* S7.  The record is lost, or replaced by an older copy, of which the oldest is the worst.  The others set a floor above all *)
(* that this member has signed: above, as the engine adds one to the highest view shown.                                      *)
LastSigned(p) ==
  LET signed == { ViewOf(m[2]) : m \in { n \in votes \cup commits : n[1] = p } }
                \cup { m[2] : m \in { n \in timeouts : n[1] = p } }
  IN CHOOSE v \in signed \cup {0} : \A w \in signed : w <= v

Restore(p) ==
  /\ Cardinality(restored) < MaxRestores /\ p \notin restored /\ LastSigned(p) > 0
  /\ record' = [record EXCEPT ![p] =
       [NoRecord EXCEPT !.floor = IF Is("restored without floor") THEN 0 ELSE LastSigned(p) + 1]]
  /\ restored' = restored \cup {p}
  /\ UNCHANGED << votes, commits, timeouts >>

Next ==
  \E p \in Correct :
    \/ \E b \in Blocks : Vote(p, b) \/ CommitVote(p, b)
    \/ \E v \in Views, q \in 0 .. LastView - 1 : TimeOut(p, v, q)
    \/ Crash(p)
    \/ Restore(p)

Spec == Init /\ [][Next]_vars

(* Members are alike. *)
Symmetry == Permutations(Correct)

(***************************************************************************)
(* What must hold.                                                         *)
(***************************************************************************)

(* No two blocks are committed of which neither extends the other. *)
Agreement ==
  \A b, c \in { d \in Blocks : Committed(d) } : ~Conflict(b, c)

(* Two quorums share a correct member, which votes once a view. *)
OneQcPerView ==
  \A v \in Views : Cardinality({ b \in BlocksOf[v] : Certified(b) }) <= 1

(* The heart of the argument: after a commit in view v, no TC of v or later hides it. *)
TcNamesCommitted ==
  \A b \in { d \in Blocks : Committed(d) } :
    \A v \in ViewOf(b) .. LastView : ~HasTc(v, ViewOf(b) - 1)

(* What follows from the same quorums for the chain: a certified block of a later view extends a committed one. *)
CertifiedExtendCommitted ==
  \A b \in { d \in Blocks : Committed(d) } :
    \A c \in { d \in Blocks : ViewOf(d) >= ViewOf(b) /\ Certified(d) } : Extends(c, b)

(* E1, E3, E4: no correct member is convicted.  One whose record was restored may be: it has forgotten what it held. *)
NobodyConvicted ==
  \A p \in Correct \ restored :
    /\ \A m, n \in votes : m[1] = p /\ n[1] = p /\ m # n => ViewOf(m[2]) # ViewOf(n[2])
    /\ \A m, n \in commits : m[1] = p /\ n[1] = p /\ m # n => ViewOf(m[2]) # ViewOf(n[2])
    /\ \A t \in timeouts : t[1] = p =>
         /\ \A m \in commits : m[1] = p /\ ViewOf(m[2]) <= t[2] => ViewOf(m[2]) <= t[3]
         /\ \A m \in votes : m[1] = p /\ ViewOf(m[2]) <= t[2] => ViewOf(Parent(m[2])) <= t[3]

(* S1: no view of a record goes back, but by a restored record. *)
RecordsGrow ==
  [][ \A p \in Correct \ (restored' \ restored) :
        \A field \in DOMAIN NoRecord : record'[p][field] >= record[p][field] ]_vars

(* S5: no commit vote of a view up to the one given up. *)
NoCommitVoteAfterTimeout ==
  [][ \A m \in commits' \ commits :
        \A t \in timeouts : t[1] = m[1] => t[2] < ViewOf(m[2]) ]_vars

(* S4, R7: no vote in a view up to the one given up. *)
NoVoteAfterTimeout ==
  [][ \A m \in votes' \ votes :
        \A t \in timeouts : t[1] = m[1] => t[2] < ViewOf(m[2]) ]_vars
=============================================================================
