using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Storage;
using Linformer.Protocol;

namespace Linformer.Coordinator.Services.Checking;

/// <summary>How many tokens a job's tokenizer has: that of its corpus if it was prepared before, else what the job file asks for.</summary>
internal sealed class CorpusVocabularies(IGrainFactory grains, IRosterStore roster)
{
    /// <summary>Looks it up.</summary>
    /// <returns>The tokens, those of no tokenizer in particular for a job without a corpus, and whether they are known rather than assumed.</returns>
    public async Task<(int Tokens, bool Known)> OfAsync(JobFile job, CancellationToken cancellationToken)
    {
        if (!job.HasCorpus)
            return (JobNeeds.AssumedVocabularySize, true);
        var corpus = CorpusKey.Of(job.ToJson()).CorpusId;
        // A grain is only asked for if it is there: reading must not make one.
        var ready = (await roster.CorporaAsync(cancellationToken)).Contains(corpus, StringComparer.Ordinal)
            ? (await grains.GetGrain<ICorpusGrain>(corpus).Get(cancellationToken))?.Ready
            : null;
        return ready is not null
            ? (ready.Totals.VocabularySize, true)
            : (job.Corpus.Tokenizer.VocabularySize ?? JobNeeds.AssumedVocabularySize, job.Corpus.Tokenizer.VocabularySize is not null);
    }
}
