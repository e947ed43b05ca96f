-------------------------------- MODULE ByView --------------------------------
(***************************************************************************)
(* The same rules, played in one order only and forgetting as it goes, so  *)
(* that all behaviours of more views than Althing allows can be searched.  *)
(*                                                                         *)
(* Why one order is enough.  The invariants speak of what was signed, not  *)
(* when.  Take any behaviour of Althing with Broken = {}, and sort its     *)
(* steps by view, and within a view votes, then commit votes, then timeout *)
(* votes.  The result is a behaviour too, and signs the same:              *)
(*                                                                         *)
(* - What a step needs of others comes before it in that order: a vote or  *)
(*   timeout vote of view v needs QCs and TCs of views below v, a commit   *)
(*   vote the votes of its own view.                                       *)
(* - What a step needs of its member's record still holds.  Among one      *)
(*   member's steps, a timeout vote of view v never comes before a vote or *)
(*   commit vote of a view <= v (S4, S5) nor after a vote, a commit vote   *)
(*   or a timeout vote of a later one (S6: v >= voted, v > q >= high, v >= *)
(*   timed_out): sorting leaves these in place, so also the high QC that a *)
(*   timeout vote is held against.  Votes grow, commit votes grow (S4,     *)
(*   S5).  So only votes and commit votes pass one another, and neither    *)
(*   looks at what the other changes.                                      *)
(* - After a restart with a floor a member signs only in views above all   *)
(*   that it signed before.                                                *)
(*                                                                         *)
(* Why it may forget.  In that order, all that later steps and the         *)
(* invariants see of finished phases is which blocks are certified and     *)
(* committed, which TCs of the last view there are, and the members' high  *)
(* QCs and floors.  Projection is that; TLC takes two states with the same *)
(* projection for one.  NobodyConvicted looks at more, and is left to      *)
(* Althing; here TimeoutsNameHigh stands for it.                           *)
(***************************************************************************)
EXTENDS Althing

VARIABLES
  view,   \* the view being played
  phase   \* what is being signed in it

Phases == << "votes", "commit votes", "timeout votes" >>

InitByView == Init /\ view = 1 /\ phase = 1

Sign ==
  \E p \in Correct :
    CASE Phases[phase] = "votes" -> \E b \in BlocksOf[view] : Vote(p, b)
      [] Phases[phase] = "commit votes" -> \E b \in BlocksOf[view] : CommitVote(p, b)
      [] Phases[phase] = "timeout votes" -> \E q \in 0 .. view - 1 : TimeOut(p, view, q)

GoOn ==
  /\ IF phase < Len(Phases)
     THEN phase' = phase + 1 /\ view' = view
     ELSE view < LastView /\ phase' = 1 /\ view' = view + 1
  /\ UNCHANGED vars

NextByView ==
  \/ (Sign \/ \E p \in Correct : Restore(p)) /\ UNCHANGED << view, phase >>
  \/ GoOn

SpecByView == InitByView /\ [][NextByView]_<< vars, view, phase >>

Projection ==
  << view, phase, restored,
     [p \in Correct |-> << record[p].high, record[p].floor,
                           IF Cardinality(restored) < MaxRestores THEN LastSigned(p) ELSE 0 >>],
     { b \in Blocks : Certified(b) },
     { b \in Blocks : Committed(b) },
     { q \in 0 .. view - 2 : HasTc(view - 1, q) },
     CASE Phases[phase] = "votes" -> { m \in votes : ViewOf(m[2]) = view }
       [] Phases[phase] = "commit votes" -> { m \in commits : ViewOf(m[2]) = view }
       [] Phases[phase] = "timeout votes" -> { m \in timeouts : m[2] = view } >>

(* E3, E4: what a member has commit-voted or voted on, its timeout votes name. *)
TimeoutsNameHigh ==
  [][ \A t \in timeouts' \ timeouts :
        /\ t[3] >= record[t[1]].commitVoted
        /\ \A m \in votes : m[1] = t[1] /\ t[1] \notin restored => t[3] >= ViewOf(Parent(m[2])) ]_vars
===============================================================================
