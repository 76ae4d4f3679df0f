using System.Text;
using Grpc.Core;
using Linformer.Coordinator.Corpora;
using Linformer.Coordinator.Services.Guard;
using Linformer.Data;
using Linformer.Model.Files;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Previews;

/// <summary>Shows some of a corpus's tokens as a model will read them, and as text.</summary>
/// <remarks>
/// Reading is bounded in what it takes at a time, in how many do it at once, and in what is kept: manifests and tokenizers of the
/// few corpora that were looked at last. Needs nothing of what computes.
/// </remarks>
internal sealed class CorpusPreviews(ClusterReader cluster, CoordinatorOptions options) : IDisposable
{
    private const int DefaultLength = 128;
    private const int MaxLength = 4096;
    private const int DefaultSequences = 8;
    private const int MaxSequences = 64;
    private const int ReadersAtOnce = 2;

    // Below the 4 MiB that a client takes by default.
    private const int MostBytes = 3 << 20;

    // A token's number and the lengths of its piece, at most.
    private const int AroundPiece = 12;

    private readonly SemaphoreSlim _readers = new(ReadersAtOnce);
    private readonly RecentCorpora _recent = new();

    /// <summary>Reads it. Of long sequences fewer come than were asked for when the response would be too large.</summary>
    public async Task<Proto.PreviewResponse> ReadAsync(Proto.PreviewRequest request, CancellationToken cancellationToken)
    {
        Check(request);
        var ready = await ReadyAsync(request.Corpus, cancellationToken);
        await _readers.WaitAsync(cancellationToken);
        try
        {
            // Files are read and tokens decoded on a thread of its own right: no call or grain waits for a slow disk.
            return await Task.Run(() => Read(request, ready.Plan.Folder, cancellationToken), cancellationToken);
        }
        catch (PathEscapeException)
        {
            // Where the link leads is none of the caller's business.
            throw Refusal.Precondition($"Corpus {request.Corpus} lies behind a symbolic link that leads out of the storage root, so it is not shown.");
        }
        catch (Exception exception) when (exception is BadDataException or IOException or UnauthorizedAccessException)
        {
            throw Lost(request, exception);
        }
        finally
        {
            _readers.Release();
        }
    }

    public void Dispose() => _readers.Dispose();

    private static void Check(Proto.PreviewRequest request)
    {
        if (request.FromToken < 0)
            throw Refusal.Invalid($"from_token is {request.FromToken}; it must be 0 or more.");
        if (request.SequenceLength is < 0 or > MaxLength)
            throw Refusal.Invalid($"sequence_length is {request.SequenceLength}; 1 to {MaxLength:#,0} are allowed, and 0 for {DefaultLength}.");
        if (request.Sequences is < 0 or > MaxSequences)
            throw Refusal.Invalid($"sequences is {request.Sequences}; 1 to {MaxSequences} are allowed, and 0 for {DefaultSequences}.");
    }

    private async Task<ReadyCorpus> ReadyAsync(string id, CancellationToken cancellationToken)
    {
        var corpora = await cluster.CorporaAsync(cancellationToken);
        var corpus = corpora.FirstOrDefault(corpus => corpus.CorpusId == id)
            ?? throw Refusal.NotFound($"There is no corpus {Refusal.Show(id)}; there {(corpora.Count == 1 ? "is" : "are")} {corpora.Count}.");
        return corpus.Ready ?? throw Refusal.Precondition(
            corpus.Stage == CorpusStage.Failed
                ? $"Corpus {id} could not be prepared: {corpus.Error}"
                : $"Corpus {id} is not ready yet; it is shown once it has been prepared.");
    }

    private Proto.PreviewResponse Read(Proto.PreviewRequest request, string folder, CancellationToken cancellationToken)
    {
        var corpus = _recent.Get(folder, () => CorpusExcerpts.Open(options.DataFolder, folder));
        var total = corpus.Manifest.Tokens;
        if (request.FromToken >= total)
            throw Refusal.Invalid($"from_token is {request.FromToken}; corpus {request.Corpus} has {total:#,0} tokens, the first of which is 0.");
        var response = new Proto.PreviewResponse { CorpusId = request.Corpus, FromToken = request.FromToken, Tokens = total };
        var length = request.SequenceLength == 0 ? DefaultLength : request.SequenceLength;
        var sequences = request.Sequences == 0 ? DefaultSequences : request.Sequences;
        var (first, bytes) = (request.FromToken, 0);
        while (response.Sequences.Count < sequences && first < total && bytes < MostBytes)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var sequence = Sequence(corpus, first, length, MostBytes - bytes);
            response.Sequences.Add(sequence);
            first += sequence.Ids.Count;
            bytes += sequence.CalculateSize();
        }
        return response;
    }

    private static Proto.PreviewSequence Sequence(CorpusExcerpts corpus, long first, int length, int mostBytes)
    {
        var ids = corpus.Read(first, length);
        var sequence = new Proto.PreviewSequence { FirstToken = first };
        foreach (var id in ids)
        {
            var piece = corpus.Tokenizer.DecodeText([id], skipSpecial: false);
            // As a piece, and in the text.
            mostBytes -= AroundPiece + (2 * Encoding.UTF8.GetByteCount(piece));
            // A tokenizer may have tokens of any length; one always comes, so that reading goes on.
            if (mostBytes < 0 && sequence.Ids.Count > 0)
                break;
            sequence.Ids.Add(id);
            sequence.Pieces.Add(piece);
        }
        sequence.Text = corpus.Tokenizer.DecodeText(ids.AsSpan(0, sequence.Ids.Count), skipSpecial: false);
        return sequence;
    }

    private RpcException Lost(Proto.PreviewRequest request, Exception exception)
    {
        // The storage root is none of the caller's business.
        var root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(options.DataFolder)) + Path.DirectorySeparatorChar;
        return new RpcException(new Status(
            StatusCode.DataLoss, $"Corpus {request.Corpus} cannot be read: {exception.Message.Replace(root, "", StringComparison.Ordinal)}"));
    }
}
