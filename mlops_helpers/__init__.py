"""mlops_helpers: the shared package behind the notebooks.

Importing it loads nothing heavy; import the module you need.

==============  ==================================================================
workspace       where a phase keeps its state, and how it starts from the one before
data            applications: simulated with known truth, or read from a file
settling        the months of a lender's file whose loans are all settled
contracts       what an application must look like; every broken rule at once
violations      a broken rule in words: its column, how many rows, a few of them
features        one scikit-learn pipeline from raw columns to probabilities
model_files     a stored model is read only if all its types were reviewed (skops)
candidates      what is tried: an estimator with a name
training_rows   which rows may be learnt from and judged on
training        fit a candidate, measure it on later rows
threads         one thread at a time, where more would wait for each other
evidence        the pictures and tables that a run keeps
provenance      which rows, code, packages and settings a run came from
runs            how one training run is written into MLflow
tracking        train a candidate and log everything needed to explain it (MLflow)
search          settings tried on the training rows, a run for each (MLflow)
comparing       the runs of an experiment as one table (MLflow)
sqlite_files    is this a whole database, and was it written to since?
reopening       a database file that was replaced is opened anew (SQL)
probing         does a PostgreSQL answer at all? (SQL)
store_errors    what a store cannot do, in one clear sentence (MLflow)
addresses       names and addresses that a registry can use
locking         one writer at a time for each model
journal         the events of a model; what was begun can be completed
state           a registered model at one moment: versions, aliases, events
versions        what the registry of MLflow holds about a model: files, aliases, events
changing        a change that survives a kill, and what others did meanwhile
freezing        a model whose arrays nobody changes by accident
loading         models with their digest checked, kept in memory (MLflow)
subjects        what the registry shows the gate of a version
verdicts        what is kept of a verdict of the gate, and how many came before it
conditions      what must hold before the registry changes anything
audit           the registry's history and status as tables
gate            named checks before a promotion; anything missing refuses
gate_checks     the gate's own checks by name, each fetching what it needs itself
gate_model      checks of a stored model: files, answers, size and speed
gate_figures    checks of what a model is worth, with uncertainty
gate_segments   the gate's look at groups of applicants
gate_policy     the limits of the gate
gate_subject    a version as the gate sees it
registry        versions, aliases, the promotion gate, rollback (MLflow)
cards           a model card for a version, written from what the stores say (MLflow)
scoring         a model and applications in, prediction rows out
shadowing       the version before scores beside the champion; what was decided meanwhile
predictions     the SQL log of predictions, outcomes, metrics, alerts, experiments
log_rows        a frame checked against a table of the log, all faults at once
log_reading     predictions with their outcomes: a window, or chunks of bounded memory
log_outcomes    labels that arrive months later, every one accounted for
log_plans       experiments in the log: one record a name, changed one step at a time
log_experiments  the sums of an experiment's exposures, computed by the database (SQL)
log_months      months in those sums, and where the planned test ends among them (SQL)
log_ranks       the AUC of each arm, from ranks that the database has summed (SQL)
log_steps       stages of a scheduled run, each with its status and seconds
log_store       the log's database: opened, written in one transaction, read in one snapshot
upgrading       schema versions of the log: older upgraded, newer and foreign ones refused
worlds          drifts of known size and four causes, simulated with their truth
detector_scores  how often detectors cry wolf, how often they notice, and when
causes          which of four causes is behind a bad month, and what to do
cause_feeds     what a feed does to a column and real applicants do not
cause_likeness  the holdout weighted to be like a window's applicants
cause_outcomes  what labels say beyond what applicants and holdout led one to expect
cause_scores    how often that reading is right
drift           has the current sample moved away from the reference?
drift_columns   one column of the reference against the same one now
drift_reading   what a column holds; its values in order, its categories counted
drift_numeric   numbers in order: Kolmogorov-Smirnov and Wasserstein
drift_categories  categories: chi-square and the index, from a handful to ids
drift_rows      what one test found, and how severe it is by evidence and effect
drift_statistics  the index, its level by chance, the correction for many tests
two_sample_classifier  can a classifier tell the reference from now?
performance     metrics with intervals, per window and group
performance_windows  which predictions belong to a window, and which labels are due
expectations    what the probabilities promised for a window, and what came true
vintages        share of a quarter's loans that has defaulted, by months on book
default_times   when a simulated loan defaults, from a known distribution
curves          the points behind the pictures of a model, with bands
importance      what a model loses when a column is shuffled
segments        how a model does in parts of the portfolio
looking_back    years of loans: the reference, each later one, and what it did to a model
profiles        what is in a table, ready for JSON
business        profit, cut-offs, the cost model
alerts          rules over metric rows
messages        one event of an alert in words
channels        log, mail, webhook: a message goes out, or the reason why not
outbox          sends what is to be told, and tries again what did not go out
health          volume, latency, quality, drift, alerts: a verdict for each figure
log_health      what the health report asks the store (SQL)
log_alerts      alerts in the log, with what is to be told of them (SQL)
log_deliveries  what is still to be told, taken by one deliverer at a time (SQL)
retrain_place   the standing state of scheduled retraining, and who works there
standing        what each standing state was begun with, in its own folder
retrain_inputs  what a scheduled retraining is asked with, refused before anything is written
retrain_record  how far a scheduled retraining has come: its stages in the log
retrain_watch   the first stage: is the champion before the better one after all?
retrain_flow    the stages in their order; what was begun is completed
retrain_stages  watch, check, train, judge, promote; each may be done again
retrain_step    one scheduled retraining as one idempotent step
retrain_told    a scheduled retraining in words
retrain_command the command `retrain`: its words and exit codes
retraining      decide from evidence, judge a challenger
gathering       from rows to the evidence for and against retraining
feed_faults     what is broken in a lot of applications, naming the column
label_faults    outcomes that a feed lost or mixed up, by category and month
faulty_months   months of a lender's files that nobody may learn from, and why
trigger_scores  how often the decision to retrain cries wolf, and what each cause leads to
selected_baseline  the rows that promoted a champion flatter it, and its trigger
quarantine      which rows break the contract, one by one
label_waits     how long until an outcome is known, whatever it is
training_windows  which rows a challenger learns from, and which judge it
expected_ranking  the AUC that probabilities promise of themselves
judging         is the challenger better, on rows that neither learnt from?
judge_checks    the rows of a verdict's table, each refused by name if it fails
judge_level     whose mean probability is nearer, with an interval sound at the kink
judge_profit    what its decisions earn more, also where they differ on few loans
judge_segments  the group that a challenger ranks worst against the champion
judge_scores    how often the judge promotes an equal and a better challenger
paired_bootstrap  the slow peer that DeLong's interval is checked against
selection       judging on the loans a champion let through: the lean, the repairs, their price
approvals       chances of approval, and the weights that follow from them
weighted_auc    the difference of two AUCs on rows that stand for several applicants
spending        a chance of error shared by several looks
watch_policy    how a new champion is watched
watching        was the champion before better? the error spent over all looks
policies        retraining policies lived through month by month
policy_models   the models that policies could train, each fitted once for all
policy_world    three simulated years in which retraining pays, is waste, does harm
policy_loans    the policies on real loans: what can be said without the truth
policy_scores   what policies earn over the same years, again and again
assignment      sticky arms by a keyed hash, a ramp that only adds, a holdout
unit_ids        what may be the id of a unit, and the text that it is
enrolment       who is in which arm at a moment: stages, pauses, holdout
experiment_plan  what an experiment has fixed before its first unit
plan_rules      metrics, guardrails, stop rules; everything that is wrong with a plan
lifecycle       draft, running, paused, completed: what may change when, and is recorded
lifecycle_events  the record of an experiment: plan, state, and what has changed it
lifecycle_rules  what stands against a step of its life: fields, end, models
experiments     the registry of experiments: each step a transaction of the log
routing         serves an experiment: each application by its arm; control if that fails
application_checks  can these applications be answered, and analysed later?
arm_answers     what an arm is told: by its version, by control where that fails
joint_requests  single requests that arrive at once share a pass
exposure_buffer  what was answered waits for the log, bounded, and is stored once
ab_testing      analysis of an experiment: mismatch, effects, guardrails, verdict
exposure_cells  the cells that exposures are summed in, and the months that are compared
exposure_checks  which exposures can be summed, and one row for each unit
exposure_sums   the counts and sums that an analysis of an experiment rests on
ab_sample       who is compared and who is missing: outcomes that lack, months to come
ab_mismatch     whether the arms have the sizes that were planned, over all stages
ab_progress     how far an experiment has come, and until when it goes on
ab_figures      what the applications of each arm came to, adjusted for a covariate
ab_effects      effects of each arm and metric from sums, with their intervals
ab_verdict      guardrails, and what an experiment says in words
sample_size     how many applications a test needs, what it can see with those it has
confidence_sequences  limits of a difference that hold at every look together, their price
peeking         false alarms of who looks again and again, with and without the sequence
ab_scores       error rates of the analysis, measured where the truth is known
rule_scores     error rates of the whole rule: looks, later analyses, arms, missing outcomes
known_arms      two models on applicants whose truth is known, for those rates
claims          what a method promises beside what was found, what is surely broken
durations       from an effect to applications, months and the wait for outcomes
ab_limits       where a sound A/B test of lending answers another question than was asked
ab_instead      when a shadow, a holdout or nothing at all is the better tool than a test
ab_draws        experiments on applicants whose truth is known, drawn again and again
plots           one function per figure: frame in, Axes out
dashboard       the 3 x 3 picture, from what the stores say
exercises       checks and hints for the notebooks' exercises
course          runs the notebooks and writes the report
places          where things lie: outputs, notebooks, the loans, the state of a run
preparing       runs the phases that a notebook needs first
parameters      reads a notebook's parameters and refuses what would be lost
rebinding       code that may assign a parameter without saying so
notebook_files  what a notebook file must hold
planning        what a run will do, checked before anything is written
fingerprints    what a result depends on, and what ran last
executing       one notebook through Papermill, with progress
pages           an executed notebook as a page without network
report          the page of a run: outputs/index.html
retrainings     scheduled retrainings as the report shows them
storing         executes the notebooks and stores their outputs in the files
browsing        the MLflow UI on a copy of what a phase has stored
doctor          is this machine ready for the course?
==============  ==================================================================
"""

__version__ = "0.1.0"
