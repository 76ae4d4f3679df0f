using System.Text;
using Linformer.Coordinator.Services.Guard;
using Linformer.Protocol;
using Serilog;
using Proto = Linformer.Protocol.V1;

namespace Linformer.Coordinator.Services.Checking;

/// <summary>Says what a job file comes to, or all that is wrong with it.</summary>
internal sealed class JobChecks(ClusterReader cluster, JobResolver resolver, JobRates rates, CorpusVocabularies vocabularies, ILogger logger)
{
    /// <summary>Checks a job file. A bad one is an answer, too.</summary>
    /// <exception cref="Grpc.Core.RpcException">It is too large to be looked at.</exception>
    public async Task<Proto.CheckJobResponse> CheckAsync(Proto.CheckJobRequest request, CancellationToken cancellationToken)
    {
        if (request.JobFile.Length > JobFileParser.MaxBytes)
            throw Refusal.Invalid($"The job file has {request.JobFile.Length:#,0} bytes; at most {JobFileParser.MaxBytes:#,0} are allowed.");
        var response = new Proto.CheckJobResponse();
        if (await ReadAsync(request, response, cancellationToken) is not { } file)
            return response;
        if (file.Task == JobTask.Plugin)
            response.Notices.Add("What a task of your own takes, in memory and time, is not known before it runs.");
        else if (file.Task == JobTask.Inference)
            response.Notices.Add("How many steps there are is known once the documents are counted.");
        else
        {
            response.Estimate = await EstimateAsync(file, response, cancellationToken);
            response.Notices.AddRange(JobNeeds.Assumptions(file));
        }
        return response;
    }

    /// <summary>The job as JSON; one that is too large is a problem of the file that it comes from.</summary>
    /// <returns>The JSON, or what is wrong.</returns>
    public static (string Json, string? Problem) Resolve(JobFile file)
    {
        var json = file.ToJson();
        return Encoding.UTF8.GetByteCount(json) > JobFileParser.MaxBytes
            ? ("", $"with all settings written out, it is larger than {JobFileParser.MaxBytes:#,0} bytes. Use globs for the corpus files.")
            : (json, null);
    }

    private async Task<JobFile?> ReadAsync(Proto.CheckJobRequest request, Proto.CheckJobResponse response, CancellationToken cancellationToken)
    {
        var (written, errors) = JobFileParser.Parse(request.JobFile.Span, "job.yaml", cuda: true);
        foreach (var error in errors)
            response.Problems.Add(new Proto.JobFileProblem { Field = error.Path, Line = error.Line ?? 0, Column = error.Column ?? 0, Message = error.Message });
        if (written is null)
            return null;
        var (file, notices, refused) = await resolver.ResolveAsync(written, cancellationToken);
        var (json, problem) = Resolve(file);
        if (problem is not null)
        {
            response.Problems.Add(new Proto.JobFileProblem { Field = "corpus.files", Message = problem });
            return null;
        }
        if (refused is not null)
        {
            response.Problems.Add(new Proto.JobFileProblem { Field = "task", Message = refused });
            return null;
        }
        response.ResolvedJob = json;
        response.Notices.AddRange(notices);
        return file;
    }

    // What past jobs have achieved is a help: without it the rest is as good.
    private async Task<Proto.JobEstimate> EstimateAsync(JobFile file, Proto.CheckJobResponse response, CancellationToken cancellationToken)
    {
        try
        {
            var (vocabulary, known) = await vocabularies.OfAsync(file, cancellationToken);
            if (!known)
                response.Notices.Add($"The tokenizer's file is read when the corpus is prepared; until then the estimate takes it for one of {vocabulary:#,0} tokens.");
            var devices = new ClusterDevices(await cluster.WorkersAsync(cancellationToken));
            return JobEstimator.Of(file, vocabulary, devices.Of(file), await rates.ReadAsync(devices, cancellationToken));
        }
        catch (Exception exception) when (!cancellationToken.IsCancellationRequested)
        {
            logger.Warning(exception, "What jobs have achieved could not be read for an estimate");
            var estimate = JobEstimator.Of(file, file.Corpus.Tokenizer.VocabularySize ?? JobNeeds.AssumedVocabularySize, "", []);
            estimate.Basis = "What jobs have achieved cannot be read at the moment.";
            return estimate;
        }
    }
}
